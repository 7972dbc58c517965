package token_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"carousel.internal/proto/cursor/checksum"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

// What people copy a token with never becomes a part of it, nor of its alias.
func TestParsePastedUnwraps(t *testing.T) {
	t.Parallel()
	const jwt = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhIn0.c2ln"
	sum := checksum.New().At(time.Now())
	for _, test := range []struct{ text, alias, secret, problem string }{
		{text: `"TOKEN"`, secret: jwt},
		{text: `'TOKEN'`, secret: jwt},
		{text: "`TOKEN`", secret: jwt},
		{text: "“TOKEN”", secret: jwt},
		{text: `TOKEN;`, secret: jwt},
		{text: `"TOKEN",`, secret: jwt},
		{text: `"TOKEN",` + sum, secret: jwt},
		{text: `"a::TOKEN"`, alias: "a", secret: jwt},
		{text: `user_01AAAA%253A%253ATOKEN`, alias: "user_01AAAA", secret: jwt},
		{text: `"user_01AAAA%3A%3ATOKEN"`, alias: "user_01AAAA", secret: jwt},
		{text: `WorkosCursorSessionToken="user_01AAAA%3A%3ATOKEN"`, alias: "user_01AAAA", secret: jwt},
		{text: `WorkosCursorSessionToken: user_01AAAA%3A%3ATOKEN`, alias: "user_01AAAA", secret: jwt},
		{text: `workoscursorsessiontoken=user_01AAAA%3A%3ATOKEN`, alias: "user_01AAAA", secret: jwt},
		{text: `"WorkosCursorSessionToken": "user_01AAAA%3A%3ATOKEN",`, alias: "user_01AAAA", secret: jwt},
		{text: `WorkosCursorSessionToken=user_01AAAA%3A%3ATOKEN,` + sum, alias: "user_01AAAA", secret: jwt},
		{text: `user_01AAAA：：TOKEN`, alias: "user_01AAAA", secret: jwt},
		{text: `TOKEN，`, secret: jwt},
		{text: "\u200bTOKEN\ufeff", secret: jwt},
		{text: `Bearer TOKEN`, secret: jwt},
		{text: `Authorization: Bearer TOKEN`, secret: jwt},
		{text: `bearer "TOKEN";`, secret: jwt},
		{text: `-b 'WorkosCursorSessionToken=user_01AAAA%3A%3ATOKEN'`, alias: "user_01AAAA", secret: jwt},
		{text: `-H 'Cookie: a=b; WorkosCursorSessionToken=user_01AAAA%3A%3ATOKEN'`, alias: "user_01AAAA", secret: jwt},
		{text: ".cursor.com\tTRUE\t/\tTRUE\t1795000000\tWorkosCursorSessionToken\tuser_01AAAA%3A%3ATOKEN", alias: "user_01AAAA", secret: jwt},
		{text: `work::user_01AAAA%3A%3ATOKEN`, alias: "work", secret: jwt},
		{text: `work::WorkosCursorSessionToken=user_01AAAA%3A%3ATOKEN`, alias: "work", secret: jwt},
		{text: "12|sk-a-key", secret: "12|sk-a-key"},
		{text: "工作：一::TOKEN", alias: "工作：一", secret: jwt},
		{text: `the "good"::TOKEN`, alias: `the "good"`, secret: jwt},

		{text: "someone@example.org----a password----TOKEN", problem: "more than a token"},
		{text: "someone@example.org|TOKEN", problem: "more than a token"},
		{text: "TOKEN someone", problem: "around"},
		{text: "TOKEN.", problem: "around"},
		{text: "me::TOKEN.", problem: "around"},
		{text: "export TOKEN=TOKEN", problem: "around"},
		{text: "TOKEN TOKEN", problem: "two session tokens"},
		{text: `sk-"key`, problem: "a character that tokens don't have"},
		{text: `Bearer me::sk-key`, alias: "me", secret: "sk-key"},
		{text: `a-Bearer me::Bearer TOKEN`, problem: "around"},
	} {
		pasted, err := token.ParsePasted(strings.ReplaceAll(strings.Replace(test.text, "TOKEN=", "T=", 1), "TOKEN", jwt))
		if test.problem != "" {
			if err == nil || !strings.Contains(err.Error(), test.problem) || strings.Contains(err.Error(), jwt) {
				t.Errorf("%q: got %v, want %q", test.text, err, test.problem)
			}
			continue
		}
		if err != nil || pasted.Alias != test.alias || pasted.Secret.Reveal() != test.secret {
			t.Errorf("%q: alias %q, secret %q, %v", test.text, pasted.Alias, pasted.Secret.Reveal(), err)
		}
	}
	if token.CheckAlias("Bearer me") == nil {
		t.Error("an alias that could not be read from a token file is taken")
	}
}

func TestParsePasted(t *testing.T) {
	t.Parallel()
	material := checksum.New()
	sum := material.At(time.Now())
	for _, test := range []struct{ text, alias, secret, problem string }{
		{text: "T", secret: "T"},
		{text: " T \r", secret: "T"},
		{text: "work::T", alias: "work", secret: "T"},
		{text: "::T", secret: "T"},
		{text: "my work :: T", alias: "my work", secret: "T"},
		{text: "工作::T", alias: "工作", secret: "T"},
		{text: "user_X::T", alias: "user_X", secret: "T"},
		{text: "user_X%3A%3AT", alias: "user_X", secret: "T"},
		{text: "user_X%3a%3aT", alias: "user_X", secret: "T"},
		{text: "user_X%3A%3aT", alias: "user_X", secret: "T"},
		{text: "WorkosCursorSessionToken=user_X%3A%3AT", alias: "user_X", secret: "T"},
		{text: "Cookie: a=b; WorkosCursorSessionToken=user_X%3A%3AT; c=d", alias: "user_X", secret: "T"},
		{text: "T," + sum, secret: "T"},
		{text: "a::T," + sum, alias: "a", secret: "T"},
		{text: "T, " + sum + " ", secret: "T"},
		{text: "a::b::T", problem: "more than one `::`"},
		{text: "", problem: "empty"},
		{text: "a::", problem: "empty"},
		{text: "T,", problem: "nothing follows"},
		{text: "T,a,b", problem: "more than one comma"},
		{text: "T,sum", problem: "72 or 137"},
		{text: "T U", problem: "a character that tokens don't have"},
		{text: "a\x00b::T", problem: "can't be shown"},
		{text: "a\xff::T", problem: "UTF-8"},
		{text: "T\x00", problem: "a character that tokens don't have"},
		{text: "Té", problem: "a character that tokens don't have"},
		{text: "abcd…wxyz", problem: "a character that tokens don't have"},
		{text: strings.Repeat("T", 9000), problem: "9000 bytes"},
		{text: strings.Repeat("a", 101) + "::T", problem: "more than 100"},
		{text: "a:::T", problem: "begin with"},
	} {
		pasted, err := token.ParsePasted(test.text)
		if test.problem != "" {
			if err == nil || !strings.Contains(err.Error(), test.problem) {
				t.Errorf("%q: got %v, want %q", test.text, err, test.problem)
			}
			continue
		}
		if err != nil || pasted.Alias != test.alias || pasted.Secret.Reveal() != test.secret {
			t.Errorf("%q: alias %q, secret %q, %v", test.text, pasted.Alias, pasted.Secret.Reveal(), err)
		}
		if listed := strings.Contains(test.text, ","); pasted.Listed != listed || listed && pasted.Checksum != material {
			t.Errorf("%q: checksum %+v", test.text, pasted.Checksum)
		}
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	jwt := func(payload string) string {
		return "h." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".s"
	}
	for text, want := range map[string]int64{
		jwt(`{"exp":4102444800}`):   4102444800,
		jwt(`{"exp":4102444800.5}`): 4102444800,
		jwt(`{"exp":"soon"}`):       0,
		jwt(`{"exp":-1}`):           0,
		jwt(`{"exp":1e300}`):        0,
		jwt(`{}`):                   0,
		jwt(`nonsense`):             0,
		"h.***.s":                   0,
		"sk-key":                    0,
		"":                          0,
	} {
		got := token.Expiry(secret.New(text))
		if want == 0 && !got.IsZero() || want != 0 && got.Unix() != want {
			t.Errorf("%q expires at %v, want %d", text, got, want)
		}
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	now := time.Now()
	past, soon, later := now.Add(-time.Second), now.Add(time.Second), now.Add(time.Hour)
	var never time.Time
	for name, test := range map[string]struct {
		enabled         bool
		phase           string
		expires, cooled time.Time
		want            tokenstorev1.TokenState
	}{
		"ready":                          {true, "", never, never, tokenstorev1.TokenState_TOKEN_STATE_READY},
		"ready again":                    {true, "", later, past, tokenstorev1.TokenState_TOKEN_STATE_READY},
		"new":                            {true, token.Quarantined, later, never, tokenstorev1.TokenState_TOKEN_STATE_QUARANTINED},
		"cooling":                        {true, "1", later, soon, tokenstorev1.TokenState_TOKEN_STATE_COOLING},
		"cooled":                         {true, "1", later, past, tokenstorev1.TokenState_TOKEN_STATE_PROBING},
		"parked, whatever was before":    {true, token.Parked, past, soon, tokenstorev1.TokenState_TOKEN_STATE_PARKED},
		"expired":                        {true, "", now, soon, tokenstorev1.TokenState_TOKEN_STATE_EXPIRED},
		"about to expire":                {true, "", now.Add(token.ExpiryLead), never, tokenstorev1.TokenState_TOKEN_STATE_EXPIRED},
		"a stream before it will expire": {true, "", now.Add(token.ExpiryLead + 1), never, tokenstorev1.TokenState_TOKEN_STATE_READY},
		"disabled over all":              {false, token.Parked, past, soon, tokenstorev1.TokenState_TOKEN_STATE_DISABLED},
	} {
		if got := token.State(test.enabled, test.phase, test.expires, test.cooled, now); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestClassesHaveNames(t *testing.T) {
	t.Parallel()
	for number := range tokenstorev1.Outcome_name {
		outcome := tokenstorev1.Outcome(number)
		if class := token.Class(outcome); class == "" || token.Outcome(class) != outcome {
			t.Errorf("%v is called %q, which is %v", outcome, class, token.Outcome(class))
		}
	}
	if got := token.Outcome("unreadable"); got != tokenstorev1.Outcome_OUTCOME_UNSPECIFIED {
		t.Errorf("%v", got)
	}
}

func TestFieldsCheckNamesEverything(t *testing.T) {
	t.Parallel()
	err := token.Fields{Alias: "a,b", Tags: []string{"", "a\nb"}, Cap: 1 << 30, Weight: 0}.Check()
	for _, want := range []string{"alias", "1 to 50 characters", "can't be shown", "cap is", "weight is"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in %v", want, err)
		}
	}
	if err := (token.Fields{Alias: "team: a", Tags: []string{"x"}, Weight: 1}).Check(); err != nil {
		t.Error(err)
	}
}

func TestCheckUpstream(t *testing.T) {
	t.Parallel()
	good := func() *tokenstorev1.Upstream {
		return &tokenstorev1.Upstream{Name: "cursor", Driver: "cursor", BaseUrl: "https://api2.cursor.sh", Models: []string{"gpt-4", "a/b"}}
	}
	if err := token.CheckUpstream(good()); err != nil {
		t.Error(err)
	}
	for want, spoil := range map[string]func(*tokenstorev1.Upstream){
		"name:":     func(u *tokenstorev1.Upstream) { u.Name = "Cursor" },
		"driver:":   func(u *tokenstorev1.Upstream) { u.Driver = "smtp" },
		"http or":   func(u *tokenstorev1.Upstream) { u.BaseUrl = "ftp://x" },
		"with a":    func(u *tokenstorev1.Upstream) { u.BaseUrl = "https://" },
		"no user":   func(u *tokenstorev1.Upstream) { u.BaseUrl = "https://a:b@x" },
		"models:":   func(u *tokenstorev1.Upstream) { u.Models = []string{"a b"} },
		"twice":     func(u *tokenstorev1.Upstream) { u.Models = []string{"a", "a"} },
		"settings:": func(u *tokenstorev1.Upstream) { u.Settings = map[string]string{"": "x"} },
	} {
		upstream := good()
		spoil(upstream)
		if err := token.CheckUpstream(upstream); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in %v", want, err)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	settings := token.DefaultSettings()
	if err := token.CheckSettings(settings); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	settings.VisionAbility = "Base64-HTTP"
	token.NormalizeSettings(settings)
	if settings.GetVisionAbility() != "all" {
		t.Errorf("vision_ability %q", settings.GetVisionAbility())
	}
	settings.VisionAbility, settings.MaxAttempts, settings.CursorTimezone = "some", 0, "a\nb"
	err := token.CheckSettings(settings)
	for _, want := range []string{"vision_ability: one of", "max_attempts: 1 to 10", "cursor_timezone:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in %v", want, err)
		}
	}
	for _, name := range []string{"version", "updated_at", "nonsense", ""} {
		if _, err := token.SettingField(name); err == nil {
			t.Errorf("%q is taken for a setting", name)
		}
	}
	if _, err := token.SettingField("log_prompts"); err != nil {
		t.Error(err)
	}
}
