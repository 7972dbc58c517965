package cases

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

func init() {
	holds["t01"] = wrappedTokens
	holds["t02"] = cookiesAsJSON
	holds["a01"] = listLargerThanItsLimit
	holds["a08"] = exportComesBack
}

// sessionToken makes a token of three parts that says of itself what session tokens do.
func sessionToken(n int) string { return tokenOf(n, "openid profile email offline_access") }

// longToken is a sessionToken of about 6 KiB, so that limits of size are crossed by few.
func longToken(n int) string { return tokenOf(n, strings.Repeat("offline_access ", 300)) }

func tokenOf(n int, scope string) string {
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	claims := fmt.Sprintf(`{"sub":"auth0|user_%026d","time":"1735689600","randomness":"0a1b2c3d-4e5f-6789","exp":%d,`+
		`"iss":"https://authentication.cursor.sh","scope":%q,"aud":"https://cursor.com","type":"session"}`,
		n, time.Now().AddDate(1, 0, 0).Unix(), scope)
	return encode(`{"alg":"HS256","typ":"JWT"}`) + "." + encode(claims) + "." + encode(fmt.Sprintf("signature %022d", n))
}

// imported is the answer to an import.
type imported struct {
	Accepted  int `json:"accepted"`
	Updated   int `json:"updated"`
	Upstreams int `json:"upstreams"`
	Rejected  []struct {
		Line   int    `json:"line"`
		Reason string `json:"reason"`
	} `json:"rejected"`
}

func importFile(t *testing.T, gateway *stack.Gateway, format, upstream, content string) imported {
	t.Helper()
	var report imported
	gateway.MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/tokens/import", map[string]any{
		"format": format, "upstream": upstream, "content": content,
	}).JSON(t, &report)
	return report
}

// postFiles calls a route of the token files.
func postFiles(t *testing.T, gateway *stack.Gateway, path string, body any) []byte {
	t.Helper()
	return gateway.MustAdmin(t, http.StatusOK, http.MethodPost, path, body).Body
}

// cursorPool makes an upstream without an own mock: nothing is asked of it.
func cursorPool(t *testing.T, name string) {
	t.Helper()
	pair.PutUpstream(name, map[string]any{"driver": "cursor", "base_url": pair.SimURL, "settings": map[string]string{"site_url": pair.SimURL}})
}

// exportedTokens are the secrets and the aliases of an upstream.
func exportedTokens(t *testing.T, gateway *stack.Gateway, upstream string) (secrets, aliases []string) {
	t.Helper()
	var elements []struct{ Token, Alias, Driver string }
	gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/tokens/export?format=json&upstream="+upstream, nil).JSON(t, &elements)
	for _, each := range elements {
		if each.Driver == "" {
			secrets, aliases = append(secrets, each.Token), append(aliases, each.Alias)
		}
	}
	return secrets, aliases
}

var wholeUser = regexp.MustCompile(`^user_01[AB]{4}\d\d$`)

// wrappedTokens: each line is either the token inside it, with no trace of its wrapping, or
// refused with a reason; as a file and one by one.
func wrappedTokens(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(string(input(t, "t01-wrapped-tokens.txt"))), "\n")
	minted := map[string]bool{}
	for i, line := range lines {
		if !strings.HasPrefix(line, "#") {
			token := sessionToken(i)
			minted[token] = true
			// Another user on each line, because an alias belongs to one token.
			lines[i] = strings.NewReplacer("TOKEN", token, "01AAAA", fmt.Sprintf("01AAAA%02d", i)).Replace(line)
		}
	}
	gateway := pair.Gateways[0]
	check := func(t *testing.T, upstream string, taken, refused int) {
		t.Helper()
		secrets, aliases := exportedTokens(t, gateway, upstream)
		for i, secret := range secrets {
			if !minted[secret] {
				t.Errorf("a token was taken with its wrapping: %q", secret)
			}
			if alias := aliases[i]; alias != "" && !wholeUser.MatchString(alias) {
				t.Errorf("an alias with a trace of the wrapping: %q", alias)
			}
		}
		if len(secrets) != taken || taken+refused != len(minted) {
			t.Errorf("of %d lines %d were taken, %d are there, %d were refused", len(minted), taken, len(secrets), refused)
		}
	}

	cursorPool(t, "t01-file")
	report := importFile(t, gateway, "token", "t01-file", strings.Join(lines, "\n"))
	reasons := 0
	for _, line := range report.Rejected {
		if line.Reason == "" || strings.Contains(line.Reason, "eyJ") {
			t.Errorf("line %d: %q", line.Line, line.Reason)
		}
		reasons++
	}
	check(t, "t01-file", report.Accepted, reasons)
	if reasons > 2 { // fields between dashes or bars are what may be refused
		t.Errorf("refused: %+v", report.Rejected)
	}

	cursorPool(t, "t01-single")
	taken, refused := 0, 0
	for _, line := range lines {
		if strings.HasPrefix(line, "#") {
			continue
		}
		switch answer := gateway.Admin(t, http.MethodPost, "/admin/api/tokens", map[string]any{"token": strings.Replace(line, "01AAAA", "01BBBB", 1), "upstream": "t01-single"}); answer.Status {
		case http.StatusCreated:
			taken++
		case http.StatusConflict: // an alias that another one has
			t.Errorf("%s", answer.Body)
		default:
			refused++
			if strings.Contains(string(answer.Body), "eyJ") {
				t.Errorf("a token in an error: %s", answer.Body)
			}
		}
	}
	check(t, "t01-single", taken, refused)
}

// cookiesAsJSON: the one session, and a reason for what is another cookie.
func cookiesAsJSON(t *testing.T) {
	cursorPool(t, "t02")
	token := sessionToken(1000)
	gateway := pair.Gateways[0]
	report := importFile(t, gateway, "json", "t02", strings.Replace(string(input(t, "t02-cookies-as-json.json")), "TOKEN", token, 1))
	if report.Accepted != 1 || len(report.Rejected) != 1 || !strings.Contains(report.Rejected[0].Reason, "cookie") {
		t.Errorf("%+v", report)
	}
	if secrets, _ := exportedTokens(t, gateway, "t02"); !slices.Equal(secrets, []string{token}) {
		t.Errorf("%d tokens are there", len(secrets))
	}
}

// listLargerThanItsLimit: a pool whose list has more than 8 MiB goes through the token files.
func listLargerThanItsLimit(t *testing.T) {
	own := stack.Start(t, stack.Options{})
	gateway := own.Gateways[0]
	var content strings.Builder
	const many = 1500
	for i := range many {
		fmt.Fprintf(&content, "alias-%d::%s\n", i, longToken(i))
	}
	if report := importFile(t, gateway, "token", "cursor", content.String()); report.Accepted != many {
		t.Fatalf("%d accepted, %d rejected", report.Accepted, len(report.Rejected))
	}
	line, _, _ := strings.Cut(content.String(), "\n")
	write := func() {
		t.Helper()
		postFiles(t, gateway, "/update-tokeninfo", map[string]any{"tokens": line + "\n"})
	}
	write()
	var files struct {
		TokenList string `json:"token_list"`
		Count     int    `json:"tokens_count"`
	}
	if err := json.Unmarshal(postFiles(t, gateway, "/get-tokeninfo", nil), &files); err != nil || files.Count != many {
		t.Fatalf("%d tokens, %v", files.Count, err)
	}
	if len(files.TokenList) <= 8<<20 {
		t.Fatalf("the list has only %d bytes", len(files.TokenList))
	}
	postFiles(t, gateway, "/update-tokeninfo", map[string]any{"tokens": line + "\n", "token_list": files.TokenList}) // to disk
	own.Tokenstore.Stop()
	own.Tokenstore.Start()
	own.Eventually("the store is back", 30*time.Second, own.TokenstoreReady)
	own.Eventually("the gateway has found it", 30*time.Second, func() bool {
		return gateway.Admin(t, http.MethodGet, "/admin/api/upstreams", nil).Status == http.StatusOK
	})
	write()
}

// exportComesBack: what a pool exports, an empty pair imports, upstreams included, though it
// is longer than other requests may be; and what that one exports is the same.
func exportComesBack(t *testing.T) {
	from := stack.Start(t, stack.Options{})
	gateway := from.Gateways[0]
	from.PutUpstream("bulk", map[string]any{
		"driver": "openai", "base_url": "http://127.0.0.1:9/v1", "models": []string{"bulk-model"}, "settings": map[string]string{"first_byte_timeout": "90s"},
	})
	const many = 3500
	var content strings.Builder
	for i := range many {
		fmt.Fprintf(&content, "bulk-%d::%s\n", i, longToken(i))
	}
	if report := importFile(t, gateway, "token", "bulk", content.String()); report.Accepted != many {
		t.Fatalf("%d accepted, %d rejected", report.Accepted, len(report.Rejected))
	}
	gateway.MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/tokens", map[string]any{
		"token": sessionToken(many), "upstream": "cursor", "alias": "one", "tags": []string{"a"}, "cap": 2, "weight": 3, "enabled": false,
	})
	export := func(of *stack.Gateway) string {
		return string(of.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/tokens/export?format=json", nil).Body)
	}
	file := export(gateway)
	if len(file) < 20_700_000 { // as 30,000 tokens of the usual length have
		t.Fatalf("the export has only %d bytes", len(file))
	}

	to := stack.Start(t, stack.Options{})
	report := importFile(t, to.Gateways[0], "json", "", file)
	if report.Accepted != many+1 || len(report.Rejected) != 0 || report.Upstreams == 0 {
		t.Fatalf("%d accepted, %d upstreams, rejected %+v", report.Accepted, report.Upstreams, report.Rejected[:min(len(report.Rejected), 5)])
	}
	if again := importFile(t, to.Gateways[0], "json", "", file); again.Accepted != 0 || again.Updated != many+1 || again.Upstreams != 0 || len(again.Rejected) != 0 {
		t.Errorf("imported once more: %d accepted, %d updated, %d upstreams, %d rejected", again.Accepted, again.Updated, again.Upstreams, len(again.Rejected))
	}
	if back := timeless(export(to.Gateways[0])); back != timeless(file) {
		t.Errorf("the second export differs from the first: %d bytes, then %d", len(file), len(back))
	}
}

// timeless is a JSON export in some order, without the time in its checksums.
func timeless(file string) string {
	const field, stamp = `"checksum":"`, 8
	lines := strings.Split(strings.ReplaceAll(file, ",\n", "\n"), "\n")
	for i, line := range lines {
		if at := strings.Index(line, field); at > 0 {
			at += len(field)
			lines[i] = line[:at] + line[at+stamp:]
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
