package study

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/stats"
)

const (
	goodCost   = 0.03                 // part of itself that a cost may be off before anyone is told
	aimedCost  = 0.02                 // at or below which a cost needs no more rounds
	turnTime   = 4 * time.Millisecond // of a turn, at least: the clock's ticks and cold caches are small beside it
	mostSteps  = 1000                 // of a turn, of steps that take next to nothing
	costRounds = 20                   // at least
	costTime   = time.Minute          // after which no round begins that isn't among them, at most
	costPart   = 20                   // one part in so many of the training is time enough for costs, too
)

// subject is a method whose steps are measured.
type subject struct {
	name  string
	cycle int               // steps of a turn are a multiple of it: LookSAM perturbs in one step of several
	drawn bool              // its steps draw how much they compute
	step  func(i int) error // trains on batch i; any i will do
}

// share is what a step costs over one of the first subject.
type share struct {
	ratio float64
	off   float64 // part of itself that it may be off
}

// turns measures steps side by side. In a round each subject has a turn, and what counts is the
// ratio of its time to that of the first subject in the same round: whatever slows down the machine
// for longer than a round slows down both. The order of a round is drawn, so that no subject always
// follows the one that leaves the caches as it likes them. The draws are the same each time.
type turns struct {
	clock func() time.Duration // times turns
	now   func() time.Time     // bounds the whole
	train int                  // steps that are trained with these costs
}

// measure returns the seconds of a step of the first subject, and what each subject's step costs
// over it. The last subject is the control: its steps are those of the first. So it is known how
// far a cost may be off: by as much as the control's is, or by half its own 95% interval over
// the rounds if that is more.
//
// Rounds go on until all costs are good to aimedCost, or for costTime, or for a costPart of what the
// training takes. A subject whose cost is good enough has no turn in the later ones.
func (t turns) measure(ctx context.Context, subjects []subject) (seconds float64, shares []share, err error) {
	steps, err := t.warmUp(ctx, subjects)
	if err != nil {
		return 0, nil, err
	}
	var first []float64                        // seconds of a step by round
	ratios := make([][]float64, len(subjects)) // by round
	random := rand.New(rand.NewPCG(1, 0))
	active := make([]int, len(subjects))
	for i := range active {
		active[i] = i
	}
	control := len(subjects) - 1
	shares = make([]share, len(subjects))
	took := make([]float64, len(subjects))
	begin, most := t.now(), costTime
	for round := 0; round < costRounds || len(active) > 0 && t.now().Sub(begin) < most; round++ {
		random.Shuffle(len(active), func(i, j int) { active[i], active[j] = active[j], active[i] })
		for _, i := range active {
			if took[i], err = t.turn(ctx, subjects[i], round*steps, steps); err != nil {
				return 0, nil, err
			}
		}
		first = append(first, took[0])
		if round == 0 {
			most = min(most, max(time.Second, time.Duration(took[0]*float64(t.train)/costPart*float64(time.Second))))
		}
		for _, i := range active {
			ratios[i] = append(ratios[i], took[i]/took[0])
		}
		if round+1 < costRounds {
			continue
		}
		shares[control] = shareOf(ratios[control], false)
		apart := math.Abs(shares[control].ratio - 1)
		good := true
		for i, s := range subjects {
			own := shareOf(ratios[i], s.drawn)
			shares[i] = share{own.ratio, max(own.off, apart)}
			good = good && shares[i].off <= aimedCost
		}
		if good {
			break
		}
		// The first and the control always take part.
		active = slices.DeleteFunc(active, func(i int) bool {
			return i != 0 && i != control && shares[i].off <= aimedCost
		})
	}
	return stats.Median(first), shares, nil
}

// shareOf returns the cost of a subject over the first by the ratios of the rounds. It is their
// median, which a round that something disturbed doesn't move: measured again and again on a busy
// machine it spread less than the lower quartile. Of steps that draw how much they
// compute it is the mean: the median would forget the rare expensive ones.
func shareOf(ratios []float64, drawn bool) share {
	if drawn {
		m := stats.MeanOf(ratios)
		return share{m.Mean, m.Half() / m.Mean}
	}
	median := stats.Median(ratios)
	in, ok := stats.MedianInterval(ratios, 0.95)
	if !ok {
		return share{median, math.Inf(1)}
	}
	return share{median, (in.High - in.Low) / 2 / median}
}

// warmUp gives each subject a turn that doesn't count and one that is timed, and returns the steps
// of a turn: of all subjects the same, so that all see the same batches, but for those of cycles.
func (t turns) warmUp(ctx context.Context, subjects []subject) (steps int, err error) {
	fastest := math.Inf(1)
	for _, s := range subjects {
		for range 2 {
			took, err := t.turn(ctx, s, 0, 1)
			if err != nil {
				return 0, err
			}
			fastest = min(fastest, took)
		}
	}
	return int(max(1, min(mostSteps, math.Ceil(turnTime.Seconds()/fastest)))), nil
}

// turn makes steps of a subject from a batch on, rounded up to its cycle, and returns the mean
// seconds of one.
func (t turns) turn(ctx context.Context, s subject, batch, steps int) (seconds float64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	steps = num.CeilDiv(steps, s.cycle) * s.cycle
	begin := t.clock()
	for i := range steps {
		if err := s.step(batch + i); err != nil {
			return 0, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	// A clock that doesn't tick during a turn mustn't make a ratio of 0/0.
	return max(time.Nanosecond, t.clock()-begin).Seconds() / float64(steps), nil
}
