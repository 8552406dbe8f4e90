package child

import (
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// Settings of SGD, AdamW and SAM. They don't change the time of a step, and are small enough for
// training on noise.
const (
	LR          = 1e-3 // learning rate of SGD
	Momentum    = 0.9
	LRAdamW     = 1e-4 // learning rate of AdamW
	WeightDecay = 0.01
	Rho         = 0.05 // radius of SAM's perturbation
)

// Training is a model, and Sets batches to train it on.
type Training struct {
	// Step takes a step on a batch and returns the loss before the step.
	Step func(batch int) (loss float64, err error)
	// Parameters is the number of parameters.
	Parameters int
	// Bytes is the memory of a step beside parameters, optimizer state and the batch; 0 if unknown.
	Bytes int64
}

// training is a Training as a task.
type training struct {
	Training
	loss float64 // after the first steps; the parent compares it
	err  error   // of the first step that failed while it was timed
}

// resumeTraining returns the training of a step. A training that has begun goes on, because first
// steps take longer than later ones. Trainings of another model or batch are forgotten: the parent
// measures all methods on a model and batch before it asks for the next.
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

// prepareTraining makes a training and takes the first steps. The loss after them tells whether two
// peers train the same model from the same parameters on the same batches.
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
