package admincli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// token is T of the admin API, as far as a table shows it.
type token struct {
	ID           string     `json:"id"`
	Upstream     string     `json:"upstream"`
	Alias        string     `json:"alias"`
	Tags         []string   `json:"tags"`
	State        string     `json:"state"`
	Token        string     `json:"token"`
	Fingerprint  string     `json:"fingerprint"`
	Checksum     string     `json:"checksum"`
	Cap          uint32     `json:"cap"`
	Weight       uint32     `json:"weight"`
	InFlight     uint32     `json:"in_flight"`
	Requests     uint64     `json:"requests"`
	Failures     uint64     `json:"failures"`
	LastUsedAt   *time.Time `json:"last_used_at"`
	LastError    *string    `json:"last_error"`
	CoolingUntil *time.Time `json:"cooling_until"`
	ExpiresAt    *time.Time `json:"expires_at"`
	CreatedAt    *time.Time `json:"created_at"`

	Kind          string     `json:"kind"`
	NeedsLogin    bool       `json:"needs_login"`
	RefreshError  *string    `json:"refresh_error"`
	RefreshedAt   *time.Time `json:"refreshed_at"`
	NextRefreshAt *time.Time `json:"next_refresh_at"`
	Proxy         string     `json:"proxy"`
}

type tokenPage struct {
	Tokens []token `json:"tokens"`
	Next   string  `json:"next"`
}

func listTokens(flags *flag.FlagSet) run {
	upstream, state := flags.String("upstream", "", ""), flags.String("state", "", "")
	tag, search := flags.String("tag", "", ""), flags.String("search", "", "")
	return func(ctx context.Context, s *session, _ []string) error {
		query := values("upstream", *upstream, "state", *state, "tag", *tag, "q", *search)
		tokens, err := s.allTokens(ctx, query)
		if err != nil {
			return err
		}
		if s.json {
			return s.printValue(map[string]any{"tokens": tokens})
		}
		rows := newTable(s.Stdout, "ID", "ALIAS", "UPSTREAM", "STATE", "TOKEN", "IN FLIGHT", "REQUESTS", "FAILED", "USED", "EXPIRES", "LAST ERROR")
		for _, each := range tokens {
			t, err := read[token](each, nil)
			if err != nil {
				return err
			}
			rows.row(t.ID, t.Alias, t.Upstream, s.state(t), t.Token, inFlight(t), strconv.FormatUint(t.Requests, 10), strconv.FormatUint(t.Failures, 10),
				s.age(t.LastUsedAt), s.age(t.ExpiresAt), text(t.LastError))
		}
		return rows.flush()
	}
}

// allTokens answers every page, each token as the API wrote it.
func (s *session) allTokens(ctx context.Context, query url.Values) ([]json.RawMessage, error) {
	tokens := []json.RawMessage{}
	query.Set("limit", "1000")
	for {
		page, err := read[struct {
			Tokens []json.RawMessage `json:"tokens"`
			Next   string            `json:"next"`
		}](s.api.get(ctx, "tokens", query))
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, page.Tokens...)
		if page.Next == "" {
			return tokens, nil
		}
		query.Set("cursor", page.Next)
	}
}

func (s *session) state(t token) string {
	if t.NeedsLogin {
		return t.State + ", log in again"
	}
	if t.CoolingUntil == nil {
		return t.State
	}
	return t.State + ", " + strings.Replace(s.age(t.CoolingUntil), "in ", "for ", 1)
}

func inFlight(t token) string {
	if t.Cap == 0 {
		return strconv.FormatUint(uint64(t.InFlight), 10)
	}
	return fmt.Sprintf("%d/%d", t.InFlight, t.Cap)
}

func showToken(*flag.FlagSet) run {
	return func(ctx context.Context, s *session, args []string) error {
		id, err := s.tokenID(ctx, args[0])
		if err != nil {
			return err
		}
		answer, err := s.api.get(ctx, path("tokens", id), nil)
		return s.printToken(answer, err)
	}
}

func (s *session) printToken(answer []byte, err error) error {
	t, err := read[token](answer, err)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(answer)
	}
	return fields(s.Stdout,
		"id", t.ID, "alias", t.Alias, "upstream", t.Upstream, "tags", strings.Join(t.Tags, ", "), "state", s.state(t),
		"token", t.Token, "fingerprint", t.Fingerprint, "checksum", t.Checksum, "in flight", inFlight(t), "weight", strconv.FormatUint(uint64(t.Weight), 10),
		"requests", strconv.FormatUint(t.Requests, 10), "failed", strconv.FormatUint(t.Failures, 10), "last used", s.age(t.LastUsedAt),
		"last error", text(t.LastError), "expires", s.age(t.ExpiresAt), "created", s.age(t.CreatedAt),
		"kind", t.Kind, "refreshed", s.age(t.RefreshedAt), "next refresh", s.age(t.NextRefreshAt), "refresh error", text(t.RefreshError), "proxy", t.Proxy)
}

// tokenID answers the id of the token that is named by its id or its alias.
func (s *session) tokenID(ctx context.Context, name string) (string, error) {
	_, err := s.api.get(ctx, path("tokens", name), nil)
	if !notFound(err) {
		return name, err
	}
	page, err := read[tokenPage](s.api.get(ctx, "tokens", values("q", name, "limit", "1000")))
	if err != nil {
		return "", err
	}
	var found []string
	for _, t := range page.Tokens {
		if t.Alias == name {
			found = append(found, t.ID)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("no token has the id or the alias %q", name)
	default:
		return "", fmt.Errorf("the alias %q is that of several tokens: %s; name one by its id", name, strings.Join(found, ", "))
	}
}

// tokenChange are the flags that an admin can set on a token.
type tokenChange struct {
	flags                 *flag.FlagSet
	alias, tags, checksum *string
	capacity, weight      *uint
	proxy                 proxyFlags
}

func newTokenChange(flags *flag.FlagSet) tokenChange {
	return tokenChange{
		flags: flags, alias: flags.String("alias", "", ""), tags: flags.String("tags", "", ""), checksum: flags.String("checksum", "", ""),
		capacity: flags.Uint("cap", 0, ""), weight: flags.Uint("weight", 0, ""),
		proxy: newProxyFlags(flags),
	}
}

// body has what was named on the command line, and nothing else.
func (c tokenChange) body(getenv func(string) string) (map[string]any, error) {
	body := map[string]any{}
	proxy, err := c.proxy.read(getenv)
	c.flags.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "alias":
			body["alias"] = *c.alias
		case "tags":
			body["tags"] = list(*c.tags)
		case "checksum":
			body["checksum"] = *c.checksum
		case "cap":
			body["cap"] = *c.capacity
		case "weight":
			body["weight"] = *c.weight
		case "proxy":
			body["proxy"] = proxy
		}
	})
	return body, err
}

// maxSecret bounds what is read of a pasted token, in bytes.
const maxSecret = 64 << 10

func addToken(flags *flag.FlagSet) run {
	change := newTokenChange(flags)
	upstream, disabled := flags.String("upstream", "", ""), flags.Bool("disabled", false, "")
	withRefresh := flags.Bool("with-refresh-token", false, "")
	return func(ctx context.Context, s *session, _ []string) error {
		pasted, err := io.ReadAll(io.LimitReader(s.Stdin, maxSecret))
		if err != nil {
			return fmt.Errorf("the token can't be read from standard input: %w", err)
		}
		body, err := change.body(s.Getenv)
		if err != nil {
			return err
		}
		secret := strings.TrimSpace(string(pasted))
		if *withRefresh {
			access, refresh, _ := strings.Cut(secret, "\n")
			if refresh = strings.TrimSpace(refresh); refresh == "" {
				return errors.New("two lines wanted on standard input: the access token and the refresh token")
			}
			secret, body["refresh_token"] = strings.TrimSpace(access), refresh
		}
		body["token"], body["upstream"], body["enabled"] = secret, *upstream, !*disabled
		answer, err := s.api.send(ctx, http.MethodPost, "tokens"+change.proxy.query(), body)
		return s.printToken(answer, err)
	}
}

func editToken(flags *flag.FlagSet) run {
	change := newTokenChange(flags)
	return func(ctx context.Context, s *session, args []string) error {
		id, err := s.tokenID(ctx, args[0])
		if err != nil {
			return err
		}
		body, err := change.body(s.Getenv)
		if err != nil {
			return err
		}
		answer, err := s.api.send(ctx, http.MethodPatch, path("tokens", id)+change.proxy.query(), body)
		return s.printToken(answer, err)
	}
}

func enableTokens(enabled bool) func(*flag.FlagSet) run {
	done := map[bool]string{true: "enabled", false: "disabled"}[enabled]
	return eachToken(done, func(ctx context.Context, s *session, id string) ([]byte, error) {
		return s.api.send(ctx, http.MethodPatch, path("tokens", id), map[string]bool{"enabled": enabled})
	})
}

func deleteTokens(flags *flag.FlagSet) run {
	return eachToken("deleted; `gateway admin tokens restore` undoes it for an hour", func(ctx context.Context, s *session, id string) ([]byte, error) {
		return s.api.send(ctx, http.MethodDelete, path("tokens", id), nil)
	})(flags)
}

// eachToken does one thing to every token that is named. All of them are looked
// up before the first is touched.
func eachToken(done string, do func(context.Context, *session, string) ([]byte, error)) func(*flag.FlagSet) run {
	return func(*flag.FlagSet) run {
		return func(ctx context.Context, s *session, names []string) error {
			ids := make([]string, len(names))
			for i, name := range names {
				var err error
				if ids[i], err = s.tokenID(ctx, name); err != nil {
					return err
				}
			}
			return s.forEach(ctx, ids, done, do)
		}
	}
}

func restoreTokens(*flag.FlagSet) run {
	return func(ctx context.Context, s *session, ids []string) error {
		return s.forEach(ctx, ids, "restored", func(ctx context.Context, s *session, id string) ([]byte, error) {
			return s.api.send(ctx, http.MethodPost, path("tokens", id, "restore"), nil)
		})
	}
}

func refreshTokens(flags *flag.FlagSet) run {
	return eachToken("has another access token", func(ctx context.Context, s *session, id string) ([]byte, error) {
		return s.api.send(ctx, http.MethodPost, path("tokens", id, "refresh"), nil)
	})(flags)
}

func (s *session) forEach(ctx context.Context, ids []string, done string, do func(context.Context, *session, string) ([]byte, error)) error {
	for _, id := range ids {
		answer, err := do(ctx, s, id)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		if s.json && len(answer) > 0 {
			if err := s.printJSON(answer); err != nil {
				return err
			}
		}
		s.say("%s %s", id, done)
	}
	return nil
}

func importTokens(flags *flag.FlagSet) run {
	format, upstream := flags.String("format", "", ""), flags.String("upstream", "", "")
	return func(ctx context.Context, s *session, args []string) error {
		content, err := s.readFile(args[0])
		if err != nil {
			return err
		}
		if *format == "" {
			*format = formatOf(args[0])
		}
		answer, err := s.api.send(ctx, http.MethodPost, "tokens/import", map[string]string{"content": content, "format": *format, "upstream": *upstream})
		if err != nil {
			return err
		}
		if s.json {
			return s.printJSON(answer)
		}
		return s.printImport(answer)
	}
}

func (s *session) printImport(answer []byte) error {
	report, err := read[struct {
		Accepted uint32 `json:"accepted"`
		Updated  uint32 `json:"updated"`
		Rejected []struct {
			Line   uint32 `json:"line"`
			Reason string `json:"reason"`
		} `json:"rejected"`
		Upstreams uint32 `json:"upstreams"`
	}](answer, nil)
	if err != nil {
		return err
	}
	s.say("%d accepted, %d updated, %d rejected", report.Accepted, report.Updated, len(report.Rejected))
	if report.Upstreams > 0 {
		s.say("%d upstreams are new or changed", report.Upstreams)
	}
	for _, line := range report.Rejected {
		s.say("line %d: %s", line.Line, line.Reason)
	}
	return nil
}

// formatOf guesses from a file's name; `token` is the format that takes most.
func formatOf(file string) string {
	name := filepath.Base(file)
	switch {
	case filepath.Ext(name) == ".json":
		return "json"
	case strings.Contains(name, "list"):
		return "token-list"
	default:
		return "token"
	}
}

// readFile reads a file, or standard input for `-`.
func (s *session) readFile(name string) (string, error) {
	if name != "-" {
		content, err := os.ReadFile(name)
		return string(content), err
	}
	content, err := io.ReadAll(s.Stdin)
	return string(content), err
}

func exportTokens(flags *flag.FlagSet) run {
	format, upstream := flags.String("format", "token-list", ""), flags.String("upstream", "", "")
	return func(ctx context.Context, s *session, _ []string) error {
		answer, err := s.api.get(ctx, "tokens/export", values("format", *format, "upstream", *upstream))
		if err != nil {
			return err
		}
		_, err = s.Stdout.Write(answer)
		return err
	}
}

// values is a query of the pairs whose value is not empty.
func values(pairs ...string) url.Values {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return query
}

// list splits at commas; nothing is an empty list.
func list(text string) []string {
	items := []string{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

func (s *session) printValue(value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return s.printJSON(encoded)
}
