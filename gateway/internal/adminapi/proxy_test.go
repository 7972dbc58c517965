package adminapi_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// theUpstreams are cursor, and one that has a proxy.
var theUpstreams = &tokenstorev1.ListUpstreamsResponse{Upstreams: []*tokenstorev1.Upstream{
	{Name: "cursor", Driver: "cursor", BaseUrl: "https://cursor.example"},
	{Name: "vendor", Driver: "openai", BaseUrl: "https://old.example", Settings: map[string]string{"proxy": "http://u:•••@p"}},
}}

const (
	newToken   = `{"token":"eyJh","proxy":"http://u:pw@p"}`
	anUpstream = `{"driver":"openai","base_url":"https://new.example","settings":{"proxy":"http://u:pw@p"}}`
)

// A proxy is tried before it is saved, to where it is to lead.
func TestProxiesAreTried(t *testing.T) {
	t.Parallel()
	masked := proto.CloneOf(cooling)
	masked.MaskedProxy = "http://u:•••@p"
	for name, c := range map[string]struct {
		method, path, body string
		tried              string
	}{
		"a new token":           {"POST", "/admin/api/tokens", newToken, "http://u:pw@p to https://cursor.example"},
		"a token":               {"PATCH", "/admin/api/tokens/t2", `{"proxy":"http://other"}`, "http://other to https://cursor.example"},
		"a token beside a mask": {"POST", "/admin/api/tokens", `{"token":"eyJh","upstream":"vendor","proxy":"http://other"}`, "http://other to https://old.example"},
		"a login":               {"POST", "/admin/api/logins", `{"proxy":"http://other"}`, "http://other to https://cursor.example"},
		"an upstream":           {"PUT", "/admin/api/upstreams/vendor", anUpstream, "http://u:pw@p to https://new.example"},
		"none":                  {"POST", "/admin/api/tokens", `{"token":"eyJh"}`, ""},
		"taken away":            {"PATCH", "/admin/api/tokens/t2", `{"proxy":""}`, ""},
		"a token's, as it was":  {"PATCH", "/admin/api/tokens/t2", `{"proxy":"http://u:•••@p"}`, ""},
		"an upstream's, as it was": {
			"PUT", "/admin/api/upstreams/vendor", strings.Replace(anUpstream, "u:pw@", "u:•••@", 1), "",
		},
		"not to be tried": {"POST", "/admin/api/tokens?check=false", newToken, ""},
	} {
		s := newStore()
		s.answers = append([]proto.Message{theUpstreams, &tokenstorev1.GetTokenResponse{Token: masked}}, s.answers...)
		w := send(t, s, c.method, c.path, key, c.body)
		if tried := strings.Join(s.tried, ", "); w.Code > 201 || tried != c.tried {
			t.Errorf("%s: %d %s, tried %q, want %q", name, w.Code, w.Body, tried, c.tried)
		}
	}
}

// One that does not work is not saved, unless somebody insists.
func TestDeadProxiesAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/admin/api/tokens", newToken},
		{"PATCH", "/admin/api/tokens/t2", `{"proxy":"http://u:pw@p"}`},
		{"POST", "/admin/api/logins", `{"proxy":"http://u:pw@p"}`},
		{"PUT", "/admin/api/upstreams/vendor", anUpstream},
	} {
		s := newStore()
		s.dead = errors.New("the proxy p wants another password")
		s.answers = append([]proto.Message{theUpstreams}, s.answers...)
		w := send(t, s, c.method, c.path, key, c.body)
		_, message, param := errorCode(t, w.Body.Bytes())
		if w.Code != 400 || param != "proxy" || !strings.Contains(message, "wants another password") || strings.Contains(w.Body.String()+w.log, "u:pw") {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
		if len(s.kept) > 0 {
			t.Errorf("%s %s: audited %v", c.method, c.path, s.kept)
		}
		if w := send(t, s, c.method, c.path+"?check=false", key, c.body); w.Code > 201 {
			t.Errorf("%s %s, insisting: %d %s", c.method, c.path, w.Code, w.Body)
		}
		if w := send(t, s, c.method, c.path+"?chek=false", key, c.body); w.Code != 400 {
			t.Errorf("%s %s, misspelt: %d %s", c.method, c.path, w.Code, w.Body)
		}
	}
}

// However long a proxy is tried, the store has its whole time to save it.
func TestATrialTakesNoTimeFromTheStore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/admin/api/tokens", newToken},
		{"PATCH", "/admin/api/tokens/t2", `{"proxy":"http://u:pw@p"}`},
		{"POST", "/admin/api/logins", `{"proxy":"http://u:pw@p"}`},
		{"PUT", "/admin/api/upstreams/vendor", anUpstream},
	} {
		synctest.Test(t, func(t *testing.T) {
			left := func(trial time.Duration) time.Duration {
				s := newStore()
				s.trial = trial
				s.answers = append([]proto.Message{theUpstreams}, s.answers...)
				if w := send(t, s, c.method, c.path, key, c.body); w.Code > 201 || len(s.tried) != 1 {
					t.Fatalf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
				}
				return s.left
			}
			if whole, after := left(0), left(9*time.Second); whole != after {
				t.Errorf("%s %s: %s are left for the store instead of %s", c.method, c.path, after, whole)
			}
		})
	}
}

// An upstream whose proxy stays is not asked through the masked form of it.
func TestAnUpstreamIsNotAskedThroughAMask(t *testing.T) {
	t.Parallel()
	s := newStore()
	s.probed = errors.New("somebody asked")
	s.answers = append([]proto.Message{theUpstreams}, s.answers...)
	w := send(t, s, "PUT", "/admin/api/upstreams/vendor", key, strings.Replace(anUpstream, "u:pw@", "u:•••@", 1))
	check := object(t, w.Body.Bytes())["check"].(map[string]any)
	if check["state"] != "not_asked" || !strings.Contains(check["detail"].(string), "proxy") {
		t.Errorf("%v", check)
	}
	if !slices.Equal(keys(check), []string{"detail", "models", "state"}) {
		t.Errorf("%v", check)
	}
}
