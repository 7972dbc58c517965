package auth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/proto/cursor/checksum"
	"carousel.internal/proto/service/secret"
)

// sessionToken is a token in the form of the upstream's that expires in 2100.
const sessionToken = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhdXRoMHx1c2VyXzAxSkgwMDAwMDAwMDAwMDAwMDAwMDAwMDAwIiwidGltZSI6IjE3MzU2ODk2MDAiLCJyYW5kb21uZXNzIjoiMGExYjJjM2QtNGU1Zi02Nzg5IiwiZXhwIjo0MTAyNDQ0ODAwLCJpc3MiOiJodHRwczovL2F1dGhlbnRpY2F0aW9uLmN1cnNvci5zaCIsInNjb3BlIjoib3BlbmlkIHByb2ZpbGUgZW1haWwgb2ZmbGluZV9hY2Nlc3MiLCJhdWQiOiJodHRwczovL2N1cnNvci5jb20iLCJ0eXBlIjoic2Vzc2lvbiJ9.sukW53-07-i9oa2C4ROxVw026FlqG3bFUi_dRGhcqkg"

var (
	callTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	device   = strings.Repeat("0a", 32)
	mac      = strings.Repeat("0b", 32)
	// oldSum was made a month before the call, which is fine.
	oldSum = checksum.Material{DeviceID: device, MACHash: mac}.At(callTime.Add(-30 * 24 * time.Hour))
	all    = auth.Allowed{OwnTokens: true, AliasPinning: true}
)

func callOf(key, alias string) *http.Request {
	header := http.Header{}
	if key != "" {
		header.Set("Authorization", "Bearer "+key)
	}
	if alias != "" {
		header.Set(auth.AliasHeader, alias)
	}
	return &http.Request{Method: http.MethodPost, Header: header}
}

func TestCallersChoice(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		admin, key, header string
		allowed            auth.Allowed
		alias              string
	}{
		"the pool's, all off":        {"right", "right", "", auth.Allowed{}, ""},
		"the pool's, all on":         {"right", "right", "", all, ""},
		"by key":                     {"right", "right::work", "", all, "work"},
		"by header":                  {"right", "right", "work", all, "work"},
		"by both":                    {"right", "right::work", "work", all, "work"},
		"a space in the key":         {"right", "right::my work", "", all, "my work"},
		"a space, encoded":           {"right", "right", "my%20work", all, "my work"},
		"a percent sign":             {"right", "right::100%25", "", all, "100%"},
		"unicode, raw":               {"right", "right::工作", "", all, "工作"},
		"unicode, encoded":           {"right", "right", "%E5%B7%A5%E4%BD%9C", all, "工作"},
		"a plus is a plus":           {"right", "right", "a+b", all, "a+b"},
		"a separator in the admin's": {"ri::ght", "ri::ght::work", "", all, "work"},
		"only a separator in it":     {"ri::ght", "ri::ght", "", auth.Allowed{}, ""},
		"a comma in the admin's":     {"ri,ght", "ri,ght", "", all, ""},
		"a comma in the alias":       {"right", "right::a,b", "", all, "a,b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gate := auth.New(secret.New(test.admin), nil)
			choice, err := gate.Caller(callOf(test.key, test.header), keyHeaders, test.allowed, callTime)
			if err != nil || choice.Alias != test.alias || choice.Own != nil {
				t.Errorf("%+v, %v", choice, err)
			}
		})
	}
}

// The admin names a token by its id, whatever the settings say of aliases; nobody else does.
func TestATokenByItsID(t *testing.T) {
	t.Parallel()
	gate := auth.New(secret.New("right"), nil)
	for name, test := range map[string]struct {
		key, alias, token string
		upstream, id      string
		says              string
	}{
		"the admin":            {"right", "", "vendor/t1", "vendor", "t1", ""},
		"an alias, too":        {"right", "work", "vendor/t1", "", "", "not by both"},
		"an alias in the key":  {"right::work", "", "vendor/t1", "", "", "not by both"},
		"an id alone":          {"right", "", "t1", "", "", "as upstream/id"},
		"an upstream alone":    {"right", "", "vendor/", "", "", "as upstream/id"},
		"somebody":             {"wrong", "", "vendor/t1", "", "", "the key is wrong"},
		"a token of their own": {sessionToken + "," + oldSum, "", "vendor/t1", "", "", "a token of your own"},
	} {
		r := callOf(test.key, test.alias)
		r.Header.Set(auth.TokenHeader, test.token)
		got, err := gate.Caller(r, keyHeaders, all, callTime)
		if got.Upstream != test.upstream || got.TokenID != test.id || (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	r := callOf("right", "")
	r.Header.Set(auth.TokenHeader, "vendor/t1")
	if got, err := gate.Caller(r, keyHeaders, auth.Allowed{}, callTime); err != nil || got.TokenID != "t1" {
		t.Errorf("with aliases off: %+v, %v", got, err)
	}
}

func TestCallersOwnToken(t *testing.T) {
	t.Parallel()
	gate := auth.New(secret.New("right"), nil)
	choice, err := gate.Caller(callOf(sessionToken+","+oldSum, ""), keyHeaders, all, callTime)
	if err != nil || choice.Own == nil || choice.Alias != "" {
		t.Fatalf("%+v, %v", choice, err)
	}
	if own := choice.Own; own.Secret.Reveal() != sessionToken || own.DeviceID != device || own.MACHash != mac {
		t.Error("the credential is another")
	}
	// Both alphabets of base64, and the form without a mac hash.
	for _, prefix := range []string{"Jefp9nq+", "Jefp9nq-"} {
		if _, err := gate.Caller(callOf(sessionToken+","+prefix+device, ""), keyHeaders, all, callTime); err != nil {
			t.Errorf("%s: %v", prefix, err)
		}
	}
}

func TestRefusedCallers(t *testing.T) {
	t.Parallel()
	notYet := checksum.Material{DeviceID: device, MACHash: mac}.At(callTime.Add(time.Hour))
	for name, test := range map[string]struct {
		key, header string
		allowed     auth.Allowed
		kind        chat.Kind
		says        string
	}{
		"no key":                       {"", "", all, chat.Unauthenticated, "no key was sent"},
		"no key but an alias":          {"", "work", all, chat.Unauthenticated, "no key was sent"},
		"a wrong key":                  {"wrong", "", all, chat.Unauthenticated, "the key is wrong"},
		"a wrong key with an alias":    {"wrong::work", "", all, chat.Unauthenticated, "the key is wrong"},
		"no key before the alias":      {"::work", "", all, chat.Unauthenticated, "the key is wrong"},
		"pinning off, wrong key":       {"wrong::work", "", auth.Allowed{}, chat.Unauthenticated, "the key is wrong"},
		"pinning off, by key":          {"right::work", "", auth.Allowed{OwnTokens: true}, chat.InvalidRequest, "enable_alias_pinning"},
		"pinning off, by header":       {"right", "work", auth.Allowed{OwnTokens: true}, chat.InvalidRequest, "enable_alias_pinning"},
		"no alias":                     {"right::", "", all, chat.InvalidRequest, "the alias behind it is missing"},
		"two aliases":                  {"right::work", "home", all, chat.InvalidRequest, "different aliases"},
		"half an escape":               {"right", "100%", all, chat.InvalidRequest, "percent-encoding"},
		"not UTF-8":                    {"right", "%ff", all, chat.InvalidRequest, "percent-encoding"},
		"own tokens off":               {sessionToken + "," + oldSum, "", auth.Allowed{AliasPinning: true}, chat.Unauthenticated, "the key is wrong"},
		"own token without a checksum": {sessionToken, "", all, chat.Unauthenticated, "the key is wrong"},
		"own token, empty checksum":    {sessionToken + ",", "", all, chat.Unauthenticated, "a checksum has 72 or 137 characters"},
		"own token, hashes alone":      {sessionToken + "," + device + "/" + mac, "", all, chat.Unauthenticated, "timestamp"},
		"own token, a later checksum":  {sessionToken + "," + notYet, "", all, chat.Unauthenticated, "lies in the future"},
		"own token, bad hash":          {sessionToken + "," + oldSum[:100] + strings.Repeat("z", 37), "", all, chat.Unauthenticated, "mac hash"},
		"no token before the checksum": {"," + oldSum, "", all, chat.Unauthenticated, "three parts"},
		"something with a comma":       {"hello,world", "", all, chat.Unauthenticated, "three parts"},
		"own token and a pool's alias": {sessionToken + "," + oldSum, "work", all, chat.InvalidRequest, "a token of your own"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gate := auth.New(secret.New("right"), nil)
			choice, err := gate.Caller(callOf(test.key, test.header), keyHeaders, test.allowed, callTime)
			failure := chat.AsError(err)
			if failure == nil || failure.Kind != test.kind || !strings.Contains(failure.Message, test.says) {
				t.Fatalf("%+v, %v", choice, err)
			}
			if strings.Contains(err.Error(), sessionToken[:20]) || strings.Contains(err.Error(), device) {
				t.Error("the error repeats the key")
			}
		})
	}
}

func TestNobodyIsKnownBeforeTheStoreHasTold(t *testing.T) {
	t.Parallel()
	gate := auth.New(secret.Value{}, func() []byte { return nil })
	for _, key := range []string{"right", "right::work"} {
		if _, err := gate.Caller(callOf(key, ""), keyHeaders, all, callTime); chat.AsError(err) == nil || chat.AsError(err).Kind != chat.StoreUnavailable {
			t.Errorf("%s: %v", key, err)
		}
	}
}
