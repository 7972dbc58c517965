package web

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A query says what the fields of the filter say: the address has their names.
func TestTermsSetTheFilter(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"":   "",
		"  ": "",
		"status:failed model:gpt-4o account:anna class:rate_limited >2s attempts:>1": "status=failure&model=gpt-4o&alias=anna&error_kind=rate_limited&min_total=2s&retried=true",
		"status:succeeded":                    "status=success",
		"status:failure":                      "status=failure",
		"STATUS:Failed":                       "status=failure",
		"status：failed":                       "status=failure", // as a Chinese keyboard has it
		"model：a:b":                           "model=a:b",
		"model:A：b":                           "model=A：b",
		"Class:Rate_Limited":                  "error_kind=rate_limited",
		"stream:YES >2S":                      "stream=true&min_total=2s",
		"from:2026-01-31t12:00:00z":           "from=2026-01-31T12:00:00Z",
		"0123456789ABCDEF0123456789ABCDEF":    "id=0123456789abcdef0123456789abcdef",
		"id:0123456789ABCDEF0123456789ABCDEF": "id=0123456789abcdef0123456789abcdef",
		"id:Mine-1":                           "id=Mine-1",
		"class:rate_limit":                    "error_kind=rate_limited", // no other begins so
		"class:no_tokens":                     "error_kind=no_tokens",
		`error:"slow down"`:                   "error=slow down",
		`error:"say \"hi\" \\"`:               `error=say "hi" \`,
		`"account:my key"`:                    "alias=my key",
		"model:a:b":                           "model=a:b",
		"upstream:groq key:k1":                "upstream=groq&key_id=k1",
		"token:t1 stream:yes":                 "token_id=t1&stream=true",
		"stream:no":                           "stream=false",
		">=1m30s":                             "min_total=1m30s",
		"total:>10s":                          "min_total=10s",
		"attempts:>=2":                        "retried=true",
		"id:chatcmpl-1":                       "id=chatcmpl-1",
		"from:2026-01-31T12:00 to:2026-01-31T13:00:00+01:00":                         "from=2026-01-31T12:00&to=2026-01-31T13:00:00%2B01:00",
		"0123456789abcdef0123456789abcdef":                                           "id=0123456789abcdef0123456789abcdef",
		"chatcmpl-0123456789abcdef0123456789abcdef":                                  "id=chatcmpl-0123456789abcdef0123456789abcdef",
		"alias:a error_kind:timeout key_id:k token_id:t retried:true min_total:10ms": "alias=a&error_kind=timeout&key_id=k&token_id=t&retried=true&min_total=10ms",
	} {
		got, err := logFilter{}.with(query)
		if diff := cmp.Diff(filterIn(t, want), got); diff != "" || err != nil {
			t.Errorf("%s: %v, %s", query, err, diff)
		}
		if _, err := got.request(); err != nil {
			t.Errorf("%s can't be asked for: %v", query, err)
		}
	}
}

// Terms are added to what is set, and take the place of what is set otherwise.
func TestTermsComeToTheFilter(t *testing.T) {
	t.Parallel()
	got, err := filterIn(t, "model=m&status=success&columns=id").with("status:failed upstream:groq")
	if want := filterIn(t, "model=m&status=failure&upstream=groq&columns=id"); got != want || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

// A term that can't be used is named, together with what there is, in each language.
func TestWrongTerms(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]struct {
		reason, term string
		names        []string
	}{
		"model:m mood:happy":               {"unknown", "mood:happy", logTermUsages()},
		"gpt-4o":                           {"unknown", "gpt-4o", logTermUsages()},
		"：x":                               {"unknown", "：x", logTermUsages()},
		":x":                               {"unknown", ":x", logTermUsages()},
		"<2s":                              {"unknown", "<2s", logTermUsages()},
		"-status:failed":                   {"unknown", "-status:failed", logTermUsages()},
		"model:":                           {"empty", "model:", nil},
		`model:" "`:                        {"empty", "model: ", nil},
		"status：":                          {"empty", "status：", nil},
		"status:open":                      {"value", "status:open", []string{"failed", "succeeded"}},
		"class:upstream":                   {"value", "class:upstream", []string{"upstream_auth", "upstream_rejected"}}, // two begin so
		"class:mood":                       {"value", "class:mood", []string{"rate_limited"}},
		"stream:maybe":                     {"value", "stream:maybe", []string{"yes", "no"}},
		"attempts:3":                       {"value", "attempts:3", []string{">1"}},
		">2":                               {"form", ">2", []string{">2s"}},
		">":                                {"form", ">", []string{">2s"}},
		">-1s":                             {"form", ">-1s", []string{">2s"}},
		"from:yesterday":                   {"form", "from:yesterday", []string{"from:2026-01-31T12:00"}},
		`error:"slow`:                      {"quote", "error:slow", nil},
		"status:failed status:failed":      {"twice", "status:failed", nil},
		"account:a alias:b":                {"twice", "alias:b", nil},
		"error:" + strings.Repeat("x ", 2): {"unknown", "x", logTermUsages()},
	} {
		_, err := logFilter{}.with(query)
		wrong, ok := errors.AsType[*termError](err)
		if !ok || wrong.reason != want.reason || wrong.term != want.term {
			t.Errorf("%s: %v, want %s of %s", query, err, want.reason, want.term)
			continue
		}
		for _, lang := range languages {
			said, err := wrong.text(loadTexts(lang))
			missing := slices.IndexFunc(append([]string{want.term}, want.names...), func(name string) bool { return !strings.Contains(said, name) })
			if err != nil || missing >= 0 || strings.Contains(said, "%!") {
				t.Errorf("%s: %s says %q, %v", query, lang, said, err)
			}
		}
	}
	long := &termError{"empty", strings.Repeat("x", 1000), ""}
	if said, err := long.text(loadTexts(english)); err != nil || len(said) > 150 {
		t.Errorf("a long term is shown with %d bytes, %v", len(said), err)
	}
}

// Each part of the filter has one term, whose values are what that part can be.
func TestEachPartOfTheFilterHasATerm(t *testing.T) {
	t.Parallel()
	var parts, terms []string
	for _, field := range new(logFilter).fields() {
		parts = append(parts, field.name)
	}
	for _, term := range logTerms {
		terms = append(terms, term.field)
		for _, value := range term.values {
			if _, known := term.read(value); !known {
				t.Errorf("%s:%s is told and not known", term.name, value)
			}
		}
	}
	slices.Sort(parts)
	slices.Sort(terms)
	if diff := cmp.Diff(parts, terms); diff != "" {
		t.Error(diff)
	}
}

// Whatever is typed is a filter that can be asked for, which its address has, or an error about a
// term.
func FuzzTerms(f *testing.F) {
	for _, query := range []string{"status:failed >2s attempts:>1", `error:"slow \" down`, "from:2026-01-31T12:00", "id:a b", ">", `""`, "model:\xff", "a:\u00a0"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		filter, err := logFilter{}.with(query)
		if err != nil {
			if _, ok := errors.AsType[*termError](err); !ok {
				t.Fatalf("%q: %v", query, err)
			}
			return
		}
		if _, err := filter.request(); err != nil {
			t.Fatalf("%q can't be asked for: %v", query, err)
		}
		address, err := url.Parse(filter.address())
		if err != nil || filterOf(address.Query()) != filter {
			t.Fatalf("%q leads to %s, %v", query, filter.address(), err)
		}
	})
}
