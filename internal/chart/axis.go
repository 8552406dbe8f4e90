package chart

import (
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
)

// decimal sets ticks at round numbers. The axis begins and ends with a tick, and includes least and
// most.
func decimal(axis *plot.Axis, least, most float64) { decimalBy(axis, least, most, 0, mostTicks) }

const mostTicks = 6 // about

// decimalWithin is decimal with as many ticks as there is room for their labels beside each other.
func decimalWithin(axis *plot.Axis, least, most float64, width vg.Length) {
	for about := mostTicks; ; about-- {
		decimalBy(axis, least, most, 0, about)
		if about == 2 || labelsFit(*axis, width) {
			return
		}
	}
}

// labelsFit reports whether no labels of an axis that is that wide touch each other.
func labelsFit(axis plot.Axis, width vg.Length) bool {
	return len(labeled(thinned(axis, width))) == len(labeled(axis.Tick.Marker.Ticks(axis.Min, axis.Max)))
}

func labeled(ticks []plot.Tick) []plot.Tick {
	return slices.DeleteFunc(slices.Clone(ticks), func(t plot.Tick) bool { return t.Label == "" })
}

// thinned returns the ticks of an axis that is that wide, without those labels that would touch one
// before them.
func thinned(axis plot.Axis, width vg.Length) plot.ConstantTicks {
	ticks := slices.Clone(axis.Tick.Marker.Ticks(axis.Min, axis.Max))
	style := textStyle(tickSize)
	end := math.Inf(-1)
	for i, t := range ticks {
		if t.Label == "" {
			continue
		}
		const gap = 5
		at, half := axis.Norm(t.Value)*float64(width), float64(style.Width(t.Label))/2
		if at-half < end {
			ticks[i].Label = ""
			continue
		}
		end = at + half + gap
	}
	return ticks
}

// whole is decimal with ticks at whole numbers only.
func whole(axis *plot.Axis, least, most float64) { decimalBy(axis, least, most, 1, mostTicks) }

// decimalBy is decimal with about so many ticks, at least smallest apart.
func decimalBy(axis *plot.Axis, least, most, smallest float64, about int) {
	if least == most {
		// Around a small number, such as a learning rate, one more and one less would be far away.
		room := 1.0
		if size := math.Abs(least); size > 0 && size < 1 || size > 1e6 {
			room = size / 2
		}
		least, most = least-room, most+room
	}
	step := max(smallest, roundStep((most-least)/float64(about)))
	first, last := math.Floor(least/step+1e-9), math.Ceil(most/step-1e-9)
	axis.Min, axis.Max = first*step, last*step
	var ticks plot.ConstantTicks
	for i := range int(last-first) + 1 {
		v := (first + float64(i)) * step // not Min and so many steps, which may round to more than Max
		ticks = append(ticks, plot.Tick{Value: v, Label: tickLabel(v, step, max(math.Abs(axis.Min), math.Abs(axis.Max)))})
	}
	axis.Tick.Marker = ticks
}

// tickLabel returns the text of a tick at v, of an axis whose ticks are step apart and reach most.
func tickLabel(v, step, most float64) string {
	places := -int(math.Floor(math.Log10(step) + 1e-9))
	if places <= 6 && most < 1e7 {
		places = max(0, places)
		return strconv.FormatFloat(v, 'f', places, 64)
	}
	if math.Abs(v) < step/2 {
		return "0"
	}
	digits := max(1, int(math.Floor(math.Log10(math.Abs(v))+1e-9))+1+places)
	return strconv.FormatFloat(v, 'g', min(digits, 15), 64)
}

// roundStep returns the smallest number of at least step that is 1, 2 or 5 times a power of ten.
func roundStep(step float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(step)))
	for _, factor := range []float64{1, 2, 5} {
		if factor*power >= step*(1-1e-9) {
			return factor * power
		}
	}
	return 10 * power
}

// logarithmic makes an axis logarithmic, with ticks at powers of ten. A range of less than two
// decades has ticks at 2 and 5 times them, too. The axis includes least and most, which are
// positive.
func logarithmic(axis *plot.Axis, least, most float64) {
	const most10 = 7 // ticks at powers of ten
	axis.Scale = plot.LogScale{}
	low, high := math.Log10(least), math.Log10(most)
	factors, stride := []float64{1}, 1
	if high-low < 2 {
		factors = []float64{1, 2, 5}
	} else {
		stride = int(math.Ceil((high - low) / most10))
	}
	var ticks plot.ConstantTicks
	last := int(math.Ceil(high)) + stride
	for power := int(math.Floor(low + 1e-9)); power <= last; power += stride {
		for _, factor := range factors {
			v, err := strconv.ParseFloat(strconv.FormatFloat(factor, 'f', 0, 64)+"e"+strconv.Itoa(power), 64)
			if err != nil || v == 0 {
				continue // beyond float64
			}
			ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', -1, 64)})
		}
	}
	// The axis ends at the nearest numbers that are 1, 2 or 5 times a power of ten, tick or not.
	axis.Min, axis.Max = least, most
	if v := roundStep(least); v > least*(1+1e-9) {
		axis.Min = roundStep(v / 2.5 * (1 - 1e-9))
	}
	if v := roundStep(most); v <= math.MaxFloat64 {
		axis.Max = v
	}
	if axis.Min >= axis.Max {
		axis.Min, axis.Max = roundStep(least/2.5*(1-1e-9)), most*2
	}
	axis.Min, axis.Max = min(axis.Min, least), max(axis.Max, most) // but for rounding
	outside := func(t plot.Tick) bool { return t.Value < axis.Min*(1-1e-9) || t.Value > axis.Max*(1+1e-9) }
	axis.Tick.Marker = slices.DeleteFunc(ticks, outside)
}
