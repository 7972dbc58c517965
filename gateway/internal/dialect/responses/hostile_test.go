package responses_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/dialect"
)

// Requests that are made to be slow take time by their size alone: all of these are read in half
// a second on the slowest machine, where one that takes the square of it needs half a minute.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	const many = 50_000
	times := func(form string) string {
		var list strings.Builder
		for i := range many {
			if i > 0 {
				list.WriteByte(',')
			}
			if strings.Contains(form, "%d") {
				fmt.Fprintf(&list, form, i)
			} else {
				list.WriteString(form)
			}
		}
		return list.String()
	}
	for name, fields := range map[string]string{
		"one id for all calls":    `"input":[` + times(`{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}`) + `]`,
		"ids that are taken":      `"input":[` + times(`{"type":"function_call","call_id":"c_%d","name":"f","arguments":"{}"}`) + `,` + times(`{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}`) + `]`,
		"results of no call":      `"input":[` + times(`{"type":"function_call_output","call_id":"c","output":"x"}`) + `]`,
		"references":              `"input":[` + times(`{"id":"x"}`) + `]`,
		"many tools, all allowed": `"input":"Hi","tools":[{"type":"namespace","name":"n","tools":[` + times(`{"type":"function","name":"f%d"}`) + `]}],"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[` + times(`{"type":"function","name":"f%d"}`) + `]}`,
		"a namespace in another":  `"input":"Hi","tools":[` + strings.Repeat(`{"type":"namespace","name":"n","tools":[`, 200) + times(`{"type":"function","name":"f%d"}`) + strings.Repeat(`]}`, 200) + `]`,
		"unknown fields":          `"input":"Hi",` + times(`"x%d":1`),
		"one field many times":    times(`"input":"Hi"`),
	} {
		start := time.Now()
		request, err := api.Decode(dialect.Incoming{Body: []byte(`{"model":"m",` + fields + `}`)})
		if took := time.Since(start); err != nil || took > 15*time.Second {
			t.Errorf("%s: %v, %v", name, took, err)
		}
		if request != nil && len(request.Asks) > 10 {
			t.Errorf("%s: %d asks", name, len(request.Asks))
		}
	}
}
