package pricing

import "carousel.internal/gateway/internal/nullable"

// Form is a price as the REST API shows it. Its rates are US dollars for a million tokens, as
// texts, so that none loses a digit; null where one is not listed.
type Form struct {
	Match          string  `json:"match"`
	Upstream       string  `json:"upstream"`
	Input          *string `json:"input_per_million"`
	Output         *string `json:"output_per_million"`
	CacheRead      *string `json:"cache_read_per_million"`
	CacheWrite     *string `json:"cache_write_per_million"`
	CacheWriteHour *string `json:"cache_write_hour_per_million"`
	Reasoning      *string `json:"reasoning_per_million"`
	// Source is the format that it was imported from; empty: an admin set it.
	Source string `json:"source"`
}

// FormsOf are the forms of prices.
func FormsOf(prices []Price) []Form {
	forms := make([]Form, 0, len(prices))
	rate := func(r Rate) *string { return nullable.Text(r.String()) }
	for i := range prices {
		p := &prices[i]
		forms = append(forms, Form{
			Match: p.Match, Upstream: p.Upstream, Input: rate(p.Input), Output: rate(p.Output),
			CacheRead: rate(p.CacheRead), CacheWrite: rate(p.CacheWrite), CacheWriteHour: rate(p.CacheWriteHour),
			Reasoning: rate(p.Reasoning), Source: p.Source,
		})
	}
	return forms
}

// FieldError says what is wrong with a field of a form.
type FieldError struct {
	Field string
	Err   error
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }

func (e *FieldError) Unwrap() error { return e.Err }

// Price reads the form. Its errors are FieldErrors.
func (f *Form) Price() (Price, error) {
	price := Price{Match: f.Match, Upstream: f.Upstream, Source: f.Source}
	for _, rate := range [...]struct {
		field string
		text  *string
		into  *Rate
	}{
		{"input_per_million", f.Input, &price.Input},
		{"output_per_million", f.Output, &price.Output},
		{"cache_read_per_million", f.CacheRead, &price.CacheRead},
		{"cache_write_per_million", f.CacheWrite, &price.CacheWrite},
		{"cache_write_hour_per_million", f.CacheWriteHour, &price.CacheWriteHour},
		{"reasoning_per_million", f.Reasoning, &price.Reasoning},
	} {
		if rate.text == nil {
			continue
		}
		var err error
		if *rate.into, err = ParseRate(*rate.text); err != nil {
			return price, &FieldError{rate.field, err}
		}
	}
	return price, nil
}
