package auth_test

import (
	"net/http"
	"regexp"
	"testing"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/proto/service/secret"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	none := func() []byte { return nil }
	generated := auth.Generate()
	stored := func() []byte { return auth.Hash(generated) }
	configured := auth.New(secret.New("right"), none)
	cases := []struct {
		name, header string
		gate         *auth.Gate
		want         auth.Verdict
	}{
		{"configured", "Bearer right", configured, auth.Granted},
		{"any case of the scheme", "bearer right", configured, auth.Granted},
		{"more spaces", "Bearer   right ", configured, auth.Granted},
		{"wrong", "Bearer wrong", configured, auth.Refused},
		{"a prefix of it", "Bearer righ", configured, auth.Refused},
		{"longer", "Bearer rightt", configured, auth.Refused},
		{"none", "", configured, auth.Missing},
		{"no token", "Bearer ", configured, auth.Missing},
		{"only spaces", "Bearer    ", configured, auth.Missing},
		{"another scheme", "Basic right", configured, auth.Missing},
		{"no scheme", "right", configured, auth.Missing},
		{"generated", "Bearer " + generated.Reveal(), auth.New(secret.Value{}, stored), auth.Granted},
		{"generated, wrong", "Bearer right", auth.New(secret.Value{}, stored), auth.Refused},
		{"configured wins over stored", "Bearer " + generated.Reveal(), auth.New(secret.New("right"), stored), auth.Refused},
		{"the hash is not the token", "Bearer " + string(auth.Hash(generated)), auth.New(secret.Value{}, stored), auth.Refused},
		{"nothing known yet", "Bearer right", auth.New(secret.Value{}, none), auth.Unknown},
		{"nothing known, nothing sent", "", auth.New(secret.Value{}, none), auth.Missing},
		{"a hash of the wrong length", "Bearer right", auth.New(secret.Value{}, func() []byte { return []byte("short") }), auth.Unknown},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.gate.Check(c.header); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if err := c.gate.Authorize(&http.Request{Header: http.Header{"Authorization": {c.header}}}); (err == nil) != (c.want == auth.Granted) {
				t.Errorf("authorize: %v", err)
			}
		})
	}
}

func TestGenerate(t *testing.T) {
	t.Parallel()
	one, other := auth.Generate(), auth.Generate()
	if !regexp.MustCompile(`^sk-carousel-[A-Za-z0-9_-]{43}$`).MatchString(one.Reveal()) {
		t.Error("not of the documented form")
	}
	if one.Reveal() == other.Reveal() {
		t.Error("two alike")
	}
}
