package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam"
)

// trial is a model with its data and a batch size, and the methods to time on it.
type trial struct {
	workload
	contenders []*contender
	leftOut    []int      // numbers of shards that don't fit the batch
	again      *contender // the reference once more: its times differ from the first ones by noise alone
}

// benchBase returns the base optimizer of all steps: that which the model is usually trained with.
// Its settings change no times, and nobody looks at the trained models. A small learning rate keeps
// training on noise from diverging.
func benchBase(row zoo.Model) (rule optim.Rule, title string) {
	if row.HasBlocks() {
		return optim.AdamW{LR: 1e-4, WeightDecay: 0.01}, titleOfOptimizer("adamw")
	}
	return optim.SGD{LR: 0.01, Momentum: 0.9, WeightDecay: 5e-4}, titleOfOptimizer("sgd")
}

// madeUpTexts is how many texts bench makes up.
const madeUpTexts = 1024

// madeUpText returns texts for a model, as long as its usual ones.
func madeUpText(row zoo.Model) *dataset.Set {
	classes := 2
	if row.Language {
		classes = 0
	}
	return dataset.SyntheticText(row.Vocabulary, row.Input[0], row.Input[0], classes, madeUpTexts, 1)
}

// newTrial makes the trial of a model and a batch size as the flags say. If it is one of several
// batch sizes, shards that don't fit it are left out rather than an error.
func (b *bench) newTrial(name string, batch int, several bool) (*trial, error) {
	row, err := zoo.Lookup(name)
	if err != nil {
		return nil, err
	}
	t := &trial{workload: b.workload}
	t.modelName, t.batch = name, batch
	if !b.given("data") {
		t.source.Data = "digits"
		if name != "mlp" || len(b.models) > 1 {
			t.source.Data = "synthetic:" + row.Input.String()
		}
		if row.Text != nil {
			t.train = madeUpText(row)
			t.test, t.source.Data = t.train, t.train.Name
		}
	}
	t.source.Language = row.Language
	for _, other := range b.trials {
		if other.source == t.source && row.Text == nil {
			t.train, t.test = other.train, other.test
		}
	}
	if err := t.validate(); err != nil {
		return nil, err
	}
	if err := t.open(); err != nil {
		return nil, err
	}
	shards, err := b.shardsOf(t, several)
	if err != nil {
		return nil, err
	}
	methods := b.methods
	if !b.given("methods") && row.Text != nil {
		methods = append(slices.Clone(methods), textMethods...)
	}
	for _, name := range methods {
		if err := b.add(t, name, shards); err != nil {
			return nil, err
		}
	}
	if len(t.contenders) == 0 && len(t.leftOut) > 0 {
		return nil, fmt.Errorf("--shards %s: none fits --batch %d of %s", list(b.shards), t.batch, name)
	}
	if len(t.contenders) == 0 {
		return nil, fmt.Errorf("--methods %s with --shards 1 leaves nothing to time: that is sam", b.methods[0])
	}
	again := *t.reference()
	t.again = &again
	return t, nil
}

// shardsOf returns the numbers of shards to try in a trial, and notes those that it leaves out.
func (b *bench) shardsOf(t *trial, several bool) ([]int, error) {
	wanted, most := distinct(b.shards), t.mostShards()
	if !b.given("shards") {
		wanted = distinct(append(slices.Clone(defaultShards), most/max(1, b.times)))
		slices.Sort(wanted)
	}
	for i := range wanted {
		wanted[i] *= max(1, b.times)
	}
	var shards []int
	for _, n := range wanted {
		switch {
		case n >= 1 && n <= most:
			shards = append(shards, n)
		case n >= 1 && (several || !b.given("shards")):
			t.leftOut = append(t.leftOut, n)
		default:
			if err := t.validateShards(n); err != nil {
				return nil, err
			}
			shards = append(shards, n) // the model's own limit: the method has the error
		}
	}
	return shards, nil
}

// add adds a contender for each number of shards, or one if the method has no shards to choose. It
// leaves out mSAM with one shard, which is SAM.
func (b *bench) add(t *trial, name string, shards []int) error {
	method, err := sam.Lookup(name)
	if err != nil {
		return err
	}
	row, err := zoo.Lookup(t.modelName)
	if err != nil {
		return err
	}
	base, title := benchBase(row)
	if method.Plain() {
		method.Title = title
	}
	if !method.Sharded() {
		shards = []int{method.Preset.Shards}
	}
	for _, n := range shards {
		if name == "msam" && n == 1 {
			continue
		}
		cfg := method.Preset
		if method.Perturbs() && b.given("rho") {
			cfg.Rho = b.rho
		}
		cfg.Shards, cfg.Batch, cfg.Seed, cfg.Workers, cfg.Base = n, t.batch, b.seed, b.workers, base
		ascents := b.ascents
		if !method.Perturbs() {
			ascents = []string{runs.Ascents[0].Name} // there is none
		}
		for _, name := range ascents {
			ascent, err := runs.FindAscent(name)
			if err != nil {
				return err
			}
			c := &contender{method: method, shards: n, cfg: cfg}
			if ascent.Precision != blas.Full {
				c.cfg.Ascent.Precision, c.ascent = ascent.Precision, ascent.Name
			}
			if err := c.cfg.Validate(t.model); err != nil {
				return fmt.Errorf("%s, %v: %w", t.modelName, c, err)
			}
			t.contenders = append(t.contenders, c)
		}
	}
	return nil
}

// reference returns the contender that the control compares all others with.
func (t *trial) reference() *contender {
	for _, name := range []string{"sam", "sgd"} {
		if c := t.find(name); c != nil {
			return c
		}
	}
	return t.contenders[0]
}

// find returns a method's first contender, or nil.
func (t *trial) find(name string) *contender {
	i := slices.IndexFunc(t.contenders, func(c *contender) bool { return c.method.Name == name })
	if i < 0 {
		return nil
	}
	return t.contenders[i]
}

// makeOptimizers makes the optimizer of each contender.
func (t *trial) makeOptimizers() error {
	var steps []sam.Config
	for _, c := range t.contenders {
		steps = append(steps, c.cfg)
	}
	if err := t.most.checkStep(t.model, []*dataset.Set{t.train, t.test}, steps...); err != nil {
		return fmt.Errorf("%s: %w", t.modelName, err)
	}
	for _, c := range t.contenders {
		opt, err := sam.New(t.model, t.model.Init(t.seed), c.cfg)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", t.modelName, c, err)
		}
		c.opt = opt
	}
	t.again.opt = t.reference().opt
	return nil
}

// dropOptimizers lets the optimizers' memory be freed.
func (t *trial) dropOptimizers() {
	for _, c := range append(t.contenders, t.again) {
		c.opt = nil
	}
}

// time times all contenders for the given number of rounds; 0 is the default.
func (t *trial) time(ctx context.Context, rounds int, show func(done float64, round int)) error {
	all := append(slices.Clone(t.contenders), t.again)
	batches := fullBatches(t.train, t.batch, t.seed)
	err := timeInTurn(ctx, all, batches, func(round int, elapsed time.Duration) float64 {
		return enough(round, rounds, len(all), elapsed)
	}, show)
	if err != nil && !errors.Is(err, context.Canceled) {
		err = rhoHint(fmt.Errorf("%s, %w", t.modelName, err))
	}
	return err
}

// rounds returns the number of rounds that have been timed.
func (t *trial) rounds() int { return len(t.again.seconds) }

const (
	minRounds     = 15
	timePerMethod = 1500 * time.Millisecond
)

// enough returns the fraction of the work that is done after some rounds and an elapsed time; at 1
// the trial ends. want is the number of rounds asked for, or 0 for the default.
func enough(rounds, want, contenders int, elapsed time.Duration) float64 {
	if want > 0 {
		return float64(rounds) / float64(want)
	}
	budget := time.Duration(contenders) * timePerMethod
	return min(float64(rounds)/minRounds, elapsed.Seconds()/budget.Seconds())
}
