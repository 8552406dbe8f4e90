package sam

// Communicator connects the processes of a run, its ranks. Each rank calls the same methods in the
// same order, with arguments that agree in length; a call returns when the rank's part of it is
// done. A Communicator serves one goroutine at a time, which with Config.Overlap isn't always Step's.
//
// An error means that the ranks can't go on together: the caller ends the job by Abort.
type Communicator interface {
	// Rank is this process's number, from 0 to Size()-1.
	Rank() int
	Size() int

	// Exchange sends send[r] to each rank r, and receives in receive[r] what r has sent to this
	// rank. A rank's own part is copied. Parts may be empty.
	Exchange(send, receive [][]float32) error
	// Sum replaces x by the sum of the ranks' x, in an order that is the implementation's.
	Sum(x []float32) error
	// Broadcast replaces x on all ranks by that of root.
	Broadcast(x []byte, root int) error
	// Gather returns what each rank has given, by rank. The ranks' parts may differ in length.
	Gather(x []byte) ([][]byte, error)
	// Barrier returns when all ranks have called it.
	Barrier() error

	// Abort ends the processes of all ranks, and prints the reason once. It doesn't return, and
	// any goroutine may call it.
	Abort(reason error)
}
