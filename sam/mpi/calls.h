// What the Go side of this package calls. All functions but steppe_mpi_interrupt and
// steppe_mpi_print are for the thread that has called steppe_mpi_start. They return 0, or an error
// of MPI, or one of the numbers below.
#include <stddef.h>
#include <stdint.h>

enum {
	STEPPE_MPI_INTERRUPTED = -1, // by steppe_mpi_interrupt
	STEPPE_MPI_ASKED = -2,       // another rank asks rank 0 to end the job: see steppe_mpi_reason
	STEPPE_MPI_SHORT = -3,       // a message was shorter than expected: see steppe_mpi_fault
	STEPPE_MPI_MEMORY = -4,      // malloc failed

	STEPPE_MPI_REASON = 4096, // bytes of a reason, at most
};

int steppe_mpi_start(int *rank, int *size, int *provided);
int steppe_mpi_finish(void);

int steppe_mpi_send(const float *x, int count, int to);
int steppe_mpi_receive(float *x, int count, int from);
int steppe_mpi_sum(float *x, int count);
int steppe_mpi_broadcast(void *x, int count, int root);
int steppe_mpi_gather_lengths(const int64_t *mine, int64_t *all);
int steppe_mpi_gather(const void *x, int count, void *all, const int *counts, const int *starts);
int steppe_mpi_barrier(void);
// steppe_mpi_sum_now is the one that doesn't begin but does, and so can't be interrupted: all ranks
// must be there.
int steppe_mpi_sum_now(float *x, int count);
// steppe_mpi_wait waits for all that the functions above have begun.
int steppe_mpi_wait(void);
// steppe_mpi_fault says which message was wrong: its rank, and its floats.
void steppe_mpi_fault(int *rank, int *got, int *want);

// steppe_mpi_listen returns STEPPE_MPI_ASKED if another rank has asked rank 0 to end the job.
int steppe_mpi_listen(void);
const char *steppe_mpi_reason(void);
// steppe_mpi_ask asks rank 0 to end the job, and returns once the text is on its way or after a
// second.
int steppe_mpi_ask(const char *text, int length);
void steppe_mpi_interrupt(void);
void steppe_mpi_print(const char *text, size_t length);
void steppe_mpi_abort(int code);

// steppe_mpi_error and steppe_mpi_library return text in memory of their own.
const char *steppe_mpi_error(int code);
const char *steppe_mpi_library(void);
