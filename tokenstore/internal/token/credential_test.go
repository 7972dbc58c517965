package token_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

func jwt(claims string) string {
	return "h." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".s"
}

func TestKinds(t *testing.T) {
	t.Parallel()
	const session, apiKey = tokenstorev1.CredentialKind_CREDENTIAL_KIND_SESSION, tokenstorev1.CredentialKind_CREDENTIAL_KIND_API_KEY
	const userKey, login = tokenstorev1.CredentialKind_CREDENTIAL_KIND_USER_KEY, tokenstorev1.CredentialKind_CREDENTIAL_KIND_LOGIN
	for name, c := range map[string]struct {
		driver, secret, refresh string
		want                    tokenstorev1.CredentialKind
	}{
		"a session":                  {"cursor", jwt(`{"exp":1}`), "", session},
		"a login":                    {"cursor", jwt(`{"exp":1}`), "r", login},
		"a login with opaque tokens": {"cursor", "opaque", "r", login},
		"a user's key":               {"cursor", "crsr_1", "", userKey},
		"a user's key of old":        {"cursor", "key_1", "", userKey},
		"a key of another upstream":  {"openai", "key_1", "", apiKey},
		"no login of another one":    {"openai", "sk-1", "r", apiKey},
		"a JWT of another upstream":  {"openai", jwt(`{}`), "", session},
		"anything":                   {"cursor", "T1", "", apiKey},
		"three parts that are none":  {"cursor", "a.b.c", "", apiKey},
	} {
		if got := token.KindOf(c.driver, secret.New(c.secret), secret.New(c.refresh)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A person who logs in again is the same, whatever the access token is; two are not.
func TestIdentity(t *testing.T) {
	t.Parallel()
	const session, login = tokenstorev1.CredentialKind_CREDENTIAL_KIND_SESSION, tokenstorev1.CredentialKind_CREDENTIAL_KIND_LOGIN
	first, again, other := secret.New(jwt(`{"sub":"a","exp":1}`)), secret.New(jwt(`{"sub":"a","exp":2}`)), secret.New(jwt(`{"sub":"b","exp":1}`))
	same := func(kind tokenstorev1.CredentialKind, a, b secret.Value) bool {
		return token.Identity(kind, a).Reveal() == token.Identity(kind, b).Reveal()
	}
	if !same(login, first, again) || same(login, first, other) || same(session, first, again) {
		t.Error("who is the same is not told by the account")
	}
	if opaque := secret.New("opaque"); token.Identity(login, opaque).Reveal() != "opaque" {
		t.Error("an opaque token is not its own identity")
	}
}

func TestExpiryAndSubject(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		subject string
		expires time.Time
	}{
		jwt(`{"sub":"auth0|u","exp":1700000000}`): {"auth0|u", time.Unix(1_700_000_000, 0).UTC()},
		jwt(`{"sub":"u"}`):                        {"u", time.Time{}},
		jwt(`{"exp":-1}`):                         {},
		jwt(`{"exp":1e300}`):                      {},
		jwt(`{"sub":7}`):                          {},
		"opaque":                                  {},
	} {
		value := secret.New(text)
		if subject, expires := token.Subject(value), token.Expiry(value); subject != want.subject || !expires.Equal(want.expires) {
			t.Errorf("%s: %q until %v", text, subject, expires)
		}
	}
}

func TestProxies(t *testing.T) {
	t.Parallel()
	for text, masked := range map[string]string{
		"":                                "",
		"http://proxy":                    "http://proxy",
		"https://proxy:8443/":             "https://proxy:8443",
		"socks5://user@proxy:1080":        "socks5://user@proxy:1080",
		"socks5h://user:pass@[::1]:1":     "socks5h://user:•••@[::1]:1",
		"http://us%40er:p%3Ass@proxy:312": "http://us%40er:•••@proxy:312",
	} {
		proxy := secret.New(text)
		if err := token.CheckProxy(proxy); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got := token.MaskProxy(proxy); got != masked {
			t.Errorf("%s is shown as %s, want %s", text, got, masked)
		}
		if kept := token.KeepProxy(secret.New(masked), proxy); token.CheckProxy(kept) != nil || token.MaskProxy(kept) != masked || kept.Reveal() != text {
			t.Errorf("%s is %s after it was put as it is shown", text, kept.Reveal())
		}
	}
	for _, text := range []string{
		"proxy:3128", "ftp://proxy", "http://", "http://:3128", "http://proxy/path", "http://proxy?q=1", "http://proxy#f", "http://proxy:0",
		"http://proxy:70000", "http://user:•••@proxy", "http://user:the-password@pro xy", "http://" + strings.Repeat("x", 2000),
	} {
		if err := token.CheckProxy(secret.New(text)); err == nil {
			t.Errorf("%s is accepted", text)
		} else if strings.Contains(err.Error(), "the-password") {
			t.Errorf("the error has the password: %v", err)
		}
	}
	before := secret.New("http://user:the-password@proxy:1")
	for _, elsewhere := range []string{"http://user:•••@evil:1", "http://other:•••@proxy:1", "https://user:•••@proxy:1"} {
		kept := token.KeepProxy(secret.New(elsewhere), before)
		if err := token.CheckProxy(kept); err == nil {
			t.Errorf("the password goes to %s", token.MaskProxy(kept))
		} else if !strings.Contains(err.Error(), "its password is hidden") {
			t.Errorf("%s: the error does not say why: %v", elsewhere, err)
		}
	}
}

// How a Cursor upstream is spoken with changes only where that is said.
func TestTheProtocolStays(t *testing.T) {
	t.Parallel()
	upstream := func(driver, protocol string) *tokenstorev1.Upstream {
		u := &tokenstorev1.Upstream{Name: "u", Driver: driver}
		if protocol != "" {
			u.Settings = map[string]string{token.SettingProtocol: protocol}
		}
		return u
	}
	for name, c := range map[string]struct {
		put, old *tokenstorev1.Upstream
		want     string
	}{
		"a new one":                {upstream("cursor", ""), nil, "agent"},
		"a new one that says":      {upstream("cursor", "chat"), nil, "chat"},
		"put again":                {upstream("cursor", ""), upstream("cursor", "agent"), "agent"},
		"put again, an old server": {upstream("cursor", ""), upstream("cursor", "chat"), "chat"},
		"changed":                  {upstream("cursor", "chat"), upstream("cursor", "agent"), "chat"},
		"of before the choice":     {upstream("cursor", ""), upstream("cursor", ""), ""},
		"of another driver before": {upstream("cursor", ""), upstream("openai", ""), "agent"},
		"another driver's":         {upstream("openai", ""), upstream("cursor", "agent"), ""},
	} {
		if got := token.CompleteUpstream(c.put, c.old); got.GetSettings()[token.SettingProtocol] != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
