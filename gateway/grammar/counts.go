package grammar

import "fmt"

// countForm is how one of OpenAI's APIs counts tokens.
type countForm struct {
	input, output string
	// integers is the rule that a count breaks which is none.
	integers Rule
	// details is the rule that a usage breaks which does not break its counts down; empty: it
	// need not.
	details Rule
}

var (
	chatCounts      = countForm{"prompt_tokens", "completion_tokens", UsageCounts, ""}
	responsesCounts = countForm{"input_tokens", "output_tokens", UsageIntegers, ResponseUsageDetails}
)

// judgeCounts judges a usage.
func (v *verdict) judgeCounts(usage value, form countForm) {
	counts := map[string]int64{}
	for _, field := range []string{form.input, form.output, "total_tokens"} {
		n, ok := usage.get(field).count()
		if !ok {
			v.report(form.integers, usage.get(field).String(), field+" as an integer")
			return
		}
		counts[field] = n
	}
	sum := counts[form.input] + counts[form.output]
	v.require(counts["total_tokens"] == sum, UsageTotal, usage, fmt.Sprintf("a total of %d", sum))
	v.judgePart(usage, form.input, "cached_tokens", counts[form.input], form)
	v.judgePart(usage, form.output, "reasoning_tokens", counts[form.output], form)
}

// judgePart judges a part of a count.
func (v *verdict) judgePart(usage value, of, name string, all int64, form countForm) {
	details := of + "_details"
	got := usage.get(details).get(name)
	n, ok := got.count()
	fine := !got.present() || ok && n <= all
	if form.details != "" {
		v.require(ok, form.details, usage.get(details), details+" with "+name+" as an integer")
		fine = !ok || n <= all // else it is said already
	}
	v.require(fine, UsageDetails, usage, fmt.Sprintf("%s of at most %d", name, all))
}
