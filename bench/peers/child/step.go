package child

import (
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// LR and Momentum are those of SGD, Rho the radius of SAM's perturbation. They
// cost nothing; they are tame, so that noise can be trained on.
const (
	LR       = 1e-3
	Momentum = 0.9
	Rho      = 0.05
)

// Training is a model, and Sets batches to train it on.
type Training struct {
	// Step trains on a batch and returns its loss before.
	Step func(batch int) (loss float64, err error)
	// Parameters is how many there are.
	Parameters int
	// Bytes is the memory of a step, beside the parameters, what the optimizer
	// keeps of them, and the batch; 0 if it isn't known.
	Bytes int64
}

// training is a Training at work.
type training struct {
	Training
	loss float64 // of the step after the first ones, which parent compares
	err  error
}

// resumeTraining returns the training of a step, which goes on if it has begun: first
// steps take longer than all others. It forgets the trainings of another model or batch,
// since the parent measures all methods on one before it asks for the next.
func (c *child) resumeTraining(s protocol.Step, workers int) (t task, err error) {
	subject := s
	subject.Method, subject.Shards = "", 0
	if what := fmt.Sprint(subject, workers); c.subject != what {
		c.trainings, c.subject = map[protocol.Step]task{}, what
	}
	if t = c.trainings[s]; t == nil {
		if t, err = prepareTraining(s, workers, c.Train); err != nil {
			return nil, err
		}
		c.trainings[s] = t
	}
	return t, nil
}

// prepareTraining takes the first steps. What they do to the loss tells whether two
// sides train the same model from the same parameters on the same batches.
func prepareTraining(s protocol.Step, workers int, train func(protocol.Step, int) (Training, error)) (task, error) {
	made, err := train(s, workers)
	t := &training{Training: made}
	for step := 0; step <= Sets && err == nil; step++ {
		t.loss, err = t.Step(step % Sets)
	}
	return t, err
}

func (t *training) run(first, times int) {
	for i := range times {
		if _, err := t.Step((first + i) % Sets); err != nil {
			t.err = err
			return
		}
	}
}

func (t *training) verify() error {
	if math.IsNaN(t.loss) || math.IsInf(t.loss, 0) {
		return fmt.Errorf("the loss is %v", t.loss)
	}
	return nil
}

func (t *training) tell(reply *protocol.Reply) error {
	reply.Parameters, reply.Loss, reply.Bytes = t.Parameters, t.loss, t.Bytes
	return t.err
}

func (t *training) free() {}
