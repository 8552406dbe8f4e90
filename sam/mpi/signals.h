// steppe_mpi_keep_signals calls initialize(argument), and gives back to Go the handlers of signals
// that MPI has installed. It returns what initialize returns.
int steppe_mpi_keep_signals(int (*initialize)(void *), void *argument);
