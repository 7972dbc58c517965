package web

import (
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/money"
)

// mostParts is how many rows have a colour of their own in the chart.
const mostParts = 5

// useChart draws the measure over time: the largest rows, and on top of them all others; nil where
// nothing was used.
func useChart(q useQuery, span useSpan, rows []useRow, used used) *chart {
	if len(rows) == 0 {
		return nil
	}
	length, _ := span.step()
	picture := &chart{ID: "use_" + q.Measure, Bars: true, Days: !span.hourly, Write: writeMeasure(q.Measure), Steps: stepsOf(span), Step: length, Requests: q.requests(), Labels: map[string]string{}}
	parts := map[string]int{}
	if used.split {
		for i, row := range rows[:min(len(rows), mostParts)] {
			parts[row.ID] = i
			picture.add("part"+strconv.Itoa(i), row.Name)
		}
	}
	if len(rows) > len(parts) || used.counted.GetOthers() > 0 {
		picture.add("rest", "")
	}
	for _, each := range used.steps {
		at := int(each.GetStart().AsTime().Sub(span.from) / length)
		part, own := parts[q.idOf(each)]
		if !used.split || !own || each.GetOthers() {
			part = len(picture.Series) - 1
		}
		if at >= 0 && at < len(picture.Steps) {
			picture.Series[part].Values[at] += useRow{UsageSums: each.GetSums()}.by(q.Measure)
		}
	}
	return picture
}

// add adds a series without values; an empty label: the name has a text.
func (c *chart) add(name, label string) {
	c.Series = append(c.Series, series{name, make([]float64, len(c.Steps))})
	if label != "" {
		c.Labels[name] = label
	}
}

func stepsOf(span useSpan) []*timestamppb.Timestamp {
	length, _ := span.step()
	var steps []*timestamppb.Timestamp
	for at := span.from; at.Before(span.to); at = at.Add(length) {
		steps = append(steps, timestamppb.New(at))
	}
	return steps
}

func writeMeasure(measure string) func(float64) string {
	if measure != "cost" {
		return compact
	}
	return func(dollars float64) string { return usd(money.Pico(dollars * float64(money.Dollar))) }
}

// usd writes an amount for people: to the cent, and less than a dollar to two digits that count.
// Amounts are rounded to the nearest.
func usd(cost money.Pico) string {
	unit := money.Dollar / 100
	for unit > 1 && cost > 0 && cost < unit*10 {
		unit /= 10
	}
	return "$" + (cost.Plus(unit/2) / unit * unit).String()
}

// onDay is a day of UTC as text.
func onDay(at *timestamppb.Timestamp) string { return at.AsTime().UTC().Format(time.DateOnly) }
