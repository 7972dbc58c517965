package upstream

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseRules(t *testing.T) {
	t.Parallel()
	table, err := ParseRules(`[
		{"status": "429", "text": "Daily", "class": "quota", "cooldown": "2h"},
		{"status": "500-503", "code": "Odd", "class": "rate_limit", "scope": "model"},
		{"status": "4xx", "class": "caller_fault"}
	]`)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		before, want Failure
	}{
		"the first that matches": {
			Failure{Class: RateLimit, Status: 429, Message: "the daily limit"},
			Failure{Class: Quota, Status: 429, RetryAfter: 2 * time.Hour, Rule: "failure_rules[0]"},
		},
		"the upstream's own hint stays": {
			Failure{Class: RateLimit, Status: 429, Message: "DAILY", RetryAfter: time.Second},
			Failure{Class: Quota, Status: 429, RetryAfter: time.Second, Rule: "failure_rules[0]"},
		},
		"all conditions": {
			Failure{Class: Broken, Status: 502, Code: "odd"},
			Failure{Class: RateLimit, Status: 502, ModelOnly: true, Rule: "failure_rules[1]"},
		},
		"a range ends": {Failure{Class: Broken, Status: 504, Code: "odd"}, Failure{Class: Broken, Status: 504}},
		"a group of statuses": {
			Failure{Class: Auth, Status: 401}, Failure{Class: CallerFault, Status: 401, Rule: "failure_rules[2]"},
		},
		"nothing matches":      {Failure{Class: Broken, Status: 500}, Failure{Class: Broken, Status: 500}},
		"no answer began":      {Failure{Class: Transport}, Failure{Class: Transport}},
		"the client has gone":  {Failure{Class: ClientGone, Status: 429, Message: "daily"}, Failure{Class: ClientGone, Status: 429}},
		"a scope is withdrawn": {Failure{Class: RateLimit, Status: 404, ModelOnly: true}, Failure{Class: CallerFault, Status: 404, Rule: "failure_rules[2]"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := test.before
			table.Revise(&got)
			got.Message, got.Code = "", ""
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestParseRulesRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"status":"429"}`:    "must be a JSON list",
		`[] x`:                "something follows",
		`[{"class":"quota"}]`: "[0]: needs a condition",
		`[{"status":"429","class":"quota","cool":"1s"}]`:                                            "[0]: must be an object of texts: status",
		`[{"status":429,"class":"quota"}]`:                                                          "[0]: must be an object of texts",
		`[{"status":"429","class":"qouta"}]`:                                                        `[0]: class: "qouta" is not one of caller_fault, seal_refused, auth, model_not_allowed, model_unknown, quota`,
		`[{"status":"429","class":"client_gone"}]`:                                                  `class: "client_gone" is not one of`,
		`[{"status":"6xx","class":"quota"}]`:                                                        `status: "6xx" is not of the form 429, 5xx or 500-599`,
		`[{"status":"5xx-599","class":"quota"}]`:                                                    `status: "5xx-599" is not of the form`,
		`[{"status":"500-400","class":"quota"}]`:                                                    `status: "500-400" ends before it begins`,
		`[{"text":"x","class":"quota","scope":"pool"}]`:                                             `scope: "pool" is neither token nor model`,
		`[{"text":"x","class":"upstream","scope":"token"}]`:                                         "the class upstream lets no token cool",
		`[{"text":"x","class":"model_not_allowed","scope":"token"}]`:                                "the class model_not_allowed is about the model",
		`[{"text":"x","class":"quota","cooldown":"soon"}]`:                                          `cooldown: "soon" is not a duration from 1s to 24h`,
		`[{"text":"x","class":"quota","cooldown":"48h"}]`:                                           `cooldown: "48h" is not a duration`,
		`[{"text":"x","class":"quota"},{"text":"y","class":""}]`:                                    `[1]: class: "" is not one of`,
		`[{"text":"` + strings.Repeat("x", 201) + `","class":"quota"}]`:                             "may have 200 bytes",
		`[` + strings.Repeat(`{"text":"x","class":"quota"},`, 50) + `{"text":"x","class":"quota"}]`: "51 rules; there may be 50",
	} {
		if _, err := ParseRules(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", text, err, want)
		}
	}
	if table, err := ParseRules(" "); table != nil || err != nil {
		t.Errorf("nothing: %v, %v", table, err)
	}
}

func TestEveryClassHasARow(t *testing.T) {
	t.Parallel()
	if len(classTable) != len(Classes()) {
		t.Errorf("%d rows for %d classes", len(classTable), len(Classes()))
	}
	for _, class := range Classes() {
		if class.Kind() == "" {
			t.Errorf("%s has no kind", class)
		}
		if class.Retryable() && !class.FallsBack() {
			t.Errorf("%s: where another token helps, another model does too", class)
		}
	}
}

func TestWaitInWords(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 10, 6, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"Please try again in 20s.":          20 * time.Second,
		"Please try again in 6m0.5s. Visit": 6*time.Minute + 500*time.Millisecond,
		"Limit resets in 350ms":             350 * time.Millisecond,
		"Retry after 1h":                    time.Hour,
		"try again in 900h":                 24 * time.Hour,
		"Your usage limits will reset when your monthly cycle ends on 10/7/2026.":  12 * time.Hour,
		"Your usage limits will reset when your monthly cycle ends on 10/31/2026.": 24 * time.Hour,
		"Your usage limits will reset when your monthly cycle ends on 10/1/2026.":  0,
		"Your usage limits will reset when your monthly cycle ends on 31/10/2026.": 0,
		"try again later": 0,
		"":                0,
	} {
		if got := WaitInWords(text, now); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
