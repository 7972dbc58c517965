package web

import (
	"context"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/money"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// mostParts is how many rows have a colour of their own in the chart.
	mostParts = 5
	// mostCounted is how many sums are asked for, to draw them; where there would be more, only
	// all together are drawn. The tokenstore answers no more than that.
	mostCounted = 100_000
)

// useChart draws the measure over time: the largest rows, and on top of them all others.
func (s *Site) useChart(ctx context.Context, q useQuery, span useSpan, rows []useRow) (*chart, error) {
	if len(rows) == 0 {
		return nil, nil //nolint:nilnil // nothing was used: there is nothing to draw
	}
	length, step := span.step()
	group := []tokenstorev1.UsageDimension{step}
	split := int64(len(rows))*int64(span.to.Sub(span.from)/length) <= mostCounted
	if split {
		group = append(group, q.dimension())
	}
	answer, err := s.usage(ctx, q, span, group...)
	if err != nil {
		return nil, err
	}
	picture := &chart{ID: "use_" + q.Measure, Bars: true, Days: !span.hourly, Write: writeMeasure(q.Measure), Steps: stepsOf(span), Step: length, Requests: q.requests(), Labels: map[string]string{}}
	parts := map[string]int{}
	if split {
		for i, row := range rows[:min(len(rows), mostParts)] {
			parts[row.ID] = i
			picture.add("part"+strconv.Itoa(i), row.Name)
		}
	}
	if len(rows) > len(parts) {
		picture.add("rest", "")
	}
	for _, each := range answer.GetRows() {
		at := int(each.GetStart().AsTime().Sub(span.from) / length)
		part, own := parts[q.idOf(each)]
		if !split || !own {
			part = len(picture.Series) - 1
		}
		if at >= 0 && at < len(picture.Steps) {
			picture.Series[part].Values[at] += useRow{UsageSums: each.GetSums()}.by(q.Measure)
		}
	}
	return picture, nil
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
