package token_test

import (
	"testing"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

func TestTheProtocolOfACursorUpstream(t *testing.T) {
	t.Parallel()
	record := func(driver, protocol string) *tokenstorev1.Upstream {
		settings := map[string]string{}
		if protocol != "" {
			settings["protocol"] = protocol
		}
		return &tokenstorev1.Upstream{Name: "up", Driver: driver, Settings: settings}
	}
	for name, c := range map[string]struct {
		old, put *tokenstorev1.Upstream
		want     string
	}{
		"a new one":                        {nil, record("cursor", ""), "agent"},
		"a new one that says how":          {nil, record("cursor", "chat"), "chat"},
		"one that knew how, written anew":  {record("cursor", "agent"), record("cursor", ""), "agent"},
		"one that says another way":        {record("cursor", "agent"), record("cursor", "chat"), "chat"},
		"one from before there was choice": {record("cursor", ""), record("cursor", ""), ""},
		"one that was another driver's":    {record("openai", ""), record("cursor", ""), "agent"},
		"another driver's":                 {nil, record("openai", ""), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := token.CompleteUpstream(c.put, c.old)
			if err != nil || got.GetSettings()["protocol"] != c.want {
				t.Errorf("%q, %v, want %q", got.GetSettings()["protocol"], err, c.want)
			}
		})
	}
}
