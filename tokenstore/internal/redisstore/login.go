package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"time"

	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

var (
	createLoginScript = newScript("create_login")
	takeLoginsScript  = newScript("take_logins")
	settleLoginScript = newScript("settle_login")
)

const (
	// loginLife is how long a person may take, and loginKept how long a login is known.
	loginLife = 15 * time.Minute
	loginKept = time.Hour
	// maxLogins bounds those that wait at a time, and those that a list has.
	maxLogins = 100
	// maxPolls is how often a login is polled in vain.
	maxPolls = 150
	// Bounds of what a login is begun with, in bytes.
	maxLoginURL  = 4 << 10
	maxLoginUUID = 200
)

var loginIDForm = regexp.MustCompile(`^l[0-9a-z]{16}$`)

func newLoginID() string { return newID("l") }

func verifierBinding(id string) string   { return id + " verifier" }
func loginProxyBinding(id string) string { return id + " proxy" }

func noLogin(id string) error {
	return rpcerr.New(tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND, "there is no login %q of the last hour", id)
}

// NewLogin is what a login is begun with.
type NewLogin struct {
	Upstream, Alias string
	// TokenID is the token that it renews; empty: it makes one.
	TokenID  string
	URL      string
	UUID     string
	Verifier secret.Value
	Proxy    secret.Value
}

func (l NewLogin) check() error {
	problems := []error{token.CheckAlias(l.Alias), token.CheckProxy(l.Proxy)}
	if link, err := url.Parse(l.URL); err != nil || link.Scheme != "https" && link.Scheme != "http" || link.Host == "" || len(l.URL) > maxLoginURL {
		problems = append(problems, errors.New("url: an http or https URL"))
	}
	if l.UUID == "" || len(l.UUID) > maxLoginUUID {
		problems = append(problems, fmt.Errorf("uuid: 1 to %d bytes", maxLoginUUID))
	}
	if err := token.CheckSecret(l.Verifier); err != nil {
		problems = append(problems, errors.New("verifier: it is empty, or no text that one could be"))
	}
	return errors.Join(problems...)
}

// CreateLogin begins a login.
func (s *Store) CreateLogin(ctx context.Context, begun NewLogin) (*tokenstorev1.Login, error) {
	begun, err := s.complete(ctx, begun)
	if err != nil {
		return nil, err
	}
	if err := begun.check(); err != nil {
		return nil, invalid(err)
	}
	id := newLoginID()
	result, err := createLoginScript.run(ctx, s.client, []string{loginsKey(), pollsKey()}, id, maxLogins, loginLife.Milliseconds(), loginKept.Milliseconds(),
		begun.Upstream, begun.Alias, begun.TokenID, begun.URL, begun.UUID,
		s.keys.Seal(begun.Verifier, verifierBinding(id)), s.sealGiven(begun.Proxy, loginProxyBinding(id))).StringSlice()
	if err != nil {
		return nil, storeError("begin a login", err)
	}
	if result[0] == "many" {
		return nil, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "%d logins are on their way: finish or cancel some", maxLogins)
	}
	if err := s.barrier.Sync(ctx); err != nil {
		return nil, err
	}
	s.announceErrand(ctx)
	return s.Login(ctx, id)
}

// complete finds the upstream of a login, and of one that renews a token the proxy that
// this goes through.
func (s *Store) complete(ctx context.Context, begun NewLogin) (NewLogin, error) {
	var before secret.Value
	if begun.TokenID != "" {
		t, err := s.read(ctx, begun.TokenID)
		if err != nil {
			return begun, err
		}
		if begun.Upstream != "" && begun.Upstream != t.upstream {
			return begun, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "token %s is of upstream %q", t.id, t.upstream)
		}
		content, err := t.record.open(s.keys, t.id)
		if err != nil {
			return begun, err
		}
		begun.Upstream, before = t.upstream, content.Proxy
	}
	if begun.Proxy.Empty() {
		begun.Proxy = before
	} else {
		begun.Proxy = token.KeepProxy(begun.Proxy, before)
	}
	var err error
	if begun.Upstream, err = s.PoolName(ctx, begun.Upstream); err != nil {
		return begun, err
	}
	upstream, err := s.upstream(ctx, begun.Upstream)
	if err != nil {
		return begun, err
	}
	if !token.Renews(upstream.GetDriver()) {
		return begun, rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "upstream %q has no logins", begun.Upstream)
	}
	return begun, s.checkFree(ctx, begun)
}

// checkFree refuses the alias of another token before somebody logs in for it.
func (s *Store) checkFree(ctx context.Context, begun NewLogin) error {
	if begun.Alias == "" || begun.TokenID != "" {
		return nil
	}
	holders, err := s.client.HMGet(ctx, aliasKey(), begun.Alias).Result()
	if err != nil {
		return storeError("begin a login", err)
	}
	if holder, taken := holders[0].(string); taken {
		return aliasTaken(begun.Alias, holder)
	}
	return nil
}

// Login returns one.
func (s *Store) Login(ctx context.Context, id string) (*tokenstorev1.Login, error) {
	f, err := s.readLogin(ctx, id)
	if err != nil {
		return nil, err
	}
	return loginFrom(id, f), nil
}

func (s *Store) readLogin(ctx context.Context, id string) (fields, error) {
	if !loginIDForm.MatchString(id) {
		return nil, noLogin(id)
	}
	f, err := s.client.HGetAll(ctx, loginKey(id)).Result()
	if err != nil {
		return nil, storeError("read a login", err)
	}
	if len(f) == 0 {
		return nil, noLogin(id)
	}
	return f, nil
}

// loginFrom is what may be shown of a login.
func loginFrom(id string, f fields) *tokenstorev1.Login {
	return &tokenstorev1.Login{
		Id: id, Upstream: f["upstream"], Alias: f["alias"], TokenId: f["token"], Url: f["url"],
		State: tokenstorev1.LoginState(f.number("state")), Detail: f["detail"], //nolint:gosec // a state's number
		CreatedAt: timestamp(f.time("created")), ExpiresAt: timestamp(f.time("expires")),
	}
}

// Logins returns those of the last hour, newest first.
func (s *Store) Logins(ctx context.Context) ([]*tokenstorev1.Login, error) {
	ids, err := s.client.ZRevRange(ctx, loginsKey(), 0, maxLogins-1).Result()
	if err != nil {
		return nil, storeError("list logins", err)
	}
	logins := make([]*tokenstorev1.Login, 0, len(ids))
	for _, id := range ids {
		login, err := s.Login(ctx, id)
		if isNoToken(err) { // it has expired
			continue
		}
		if err != nil {
			return nil, err
		}
		logins = append(logins, login)
	}
	return logins, nil
}

// CancelLogin ends a login; one that is over stays as it is.
func (s *Store) CancelLogin(ctx context.Context, id string) (*tokenstorev1.Login, error) {
	over := loginOutcome{state: tokenstorev1.LoginState_LOGIN_STATE_CANCELLED}
	if _, err := s.settleLogin(ctx, id, "", over); err != nil {
		return nil, err
	}
	if err := s.barrier.Sync(ctx); err != nil {
		return nil, err
	}
	return s.Login(ctx, id)
}

// loginOutcome is what came of a poll.
type loginOutcome struct {
	state   tokenstorev1.LoginState
	detail  string
	tokenID string
	counts  bool
	wait    time.Duration
}

func (s *Store) settleLogin(ctx context.Context, id, epoch string, outcome loginOutcome) (stale bool, err error) {
	if !loginIDForm.MatchString(id) {
		return false, noLogin(id)
	}
	result, err := settleLoginScript.run(ctx, s.client, []string{loginKey(id), pollsKey()}, id, epoch, int(outcome.state), shortened(outcome.detail, maxDetail),
		outcome.tokenID, flag(outcome.counts), min(max(outcome.wait, 0), maxRetryAfter).Milliseconds(), maxPolls).StringSlice()
	switch {
	case err != nil:
		return false, storeError("settle a login", err)
	case result[0] == "gone":
		return false, noLogin(id)
	}
	return result[0] == "stale", nil
}

// PostponeLogin ends a poll in which the person had not logged in yet, or nothing was found
// out.
func (s *Store) PostponeLogin(ctx context.Context, poll ErrandRef, detail string, retryAfter time.Duration, counts bool) (stale bool, err error) {
	return s.settleLogin(ctx, poll.ID, epochText(poll.Epoch), loginOutcome{
		state: tokenstorev1.LoginState_LOGIN_STATE_PENDING, detail: detail, wait: retryAfter, counts: counts,
	})
}

// endLogin settles a login that is over, and makes that durable: also where it was over
// before, because the caller may repeat what was not known to be saved.
func (s *Store) endLogin(ctx context.Context, poll ErrandRef, outcome loginOutcome) (stale bool, err error) {
	if stale, err = s.settleLogin(ctx, poll.ID, epochText(poll.Epoch), outcome); err != nil {
		return false, err
	}
	return stale, s.barrier.Sync(ctx)
}

// RefuseLogin ends a login that the upstream has given up.
func (s *Store) RefuseLogin(ctx context.Context, poll ErrandRef, detail string) (stale bool, err error) {
	return s.endLogin(ctx, poll, loginOutcome{state: tokenstorev1.LoginState_LOGIN_STATE_FAILED, detail: detail})
}

// GrantLogin ends a login with what the upstream has given: the token that it makes or
// renews. When it returns, that is on disk. A repeat finds the token there and renews it.
func (s *Store) GrantLogin(ctx context.Context, poll ErrandRef, granted Granted) (stale bool, err error) {
	f, err := s.readLogin(ctx, poll.ID)
	if err != nil {
		return false, err
	}
	if f["polling"] != epochText(poll.Epoch) || f["state"] != pendingState {
		return true, s.barrier.Sync(ctx)
	}
	if err := granted.check(); err != nil {
		return false, invalid(err)
	}
	outcome := loginOutcome{state: tokenstorev1.LoginState_LOGIN_STATE_DONE}
	outcome.tokenID, err = s.takeGranted(ctx, poll.ID, f, granted)
	if refused, worded := errors.AsType[*refusedLogin](err); worded {
		outcome.state, outcome.detail = tokenstorev1.LoginState_LOGIN_STATE_FAILED, refused.text
	} else if err != nil {
		return false, err
	}
	return s.endLogin(ctx, poll, outcome)
}

const pendingState = "1" // LOGIN_STATE_PENDING, as scripts have it

// refusedLogin is why nothing was made of what a login gave, in words for the admin.
type refusedLogin struct{ text string }

func (e *refusedLogin) Error() string { return e.text }

// takeGranted makes or renews the token of a login, and returns its id.
func (s *Store) takeGranted(ctx context.Context, id string, login fields, granted Granted) (string, error) {
	if renews := login["token"]; renews != "" {
		return renews, s.renewSame(ctx, renews, granted)
	}
	proxy, err := s.openGiven(login["proxy"], loginProxyBinding(id))
	if err != nil {
		return "", err
	}
	draft := token.NewDraft(granted.Access)
	draft.Upstream, draft.Refresh, draft.Alias, draft.Proxy = login["upstream"], granted.Refresh, login["alias"], proxy
	drivers, err := s.drivers(ctx)
	if err != nil {
		return "", err
	}
	made, err := s.create(ctx, []token.Draft{draft}, drivers)
	if err == nil && rpcerr.Is(made[0].refused, tokenstorev1.Reason_REASON_ALIAS_TAKEN) { // somebody has logged in: better without the name
		draft.Alias = ""
		made, err = s.create(ctx, []token.Draft{draft}, drivers)
	}
	if err != nil {
		return "", err
	}
	switch one := made[0]; {
	case one.known != "":
		return one.known, s.renewSame(ctx, one.known, granted)
	case one.refused != nil:
		problem, err := problemOf(one.refused)
		if err == nil {
			err = &refusedLogin{problem}
		}
		return "", err
	default:
		return one.id, s.barrier.Sync(ctx)
	}
}

// renewSame gives a token what a login has given, if that is of the same account.
func (s *Store) renewSame(ctx context.Context, id string, granted Granted) error {
	t, err := s.read(ctx, id)
	if isNoToken(err) {
		return &refusedLogin{"the token that the login is for was deleted meanwhile"}
	}
	if err != nil {
		return err
	}
	credential, err := s.credentialOf(id, t.record, t.renewal)
	if err != nil {
		return err
	}
	known, given := token.Subject(credential.Secret), token.Subject(granted.Access)
	if known != "" && given != known {
		return &refusedLogin{"somebody has logged in to another account than the token's; log out there first, or make a new token of it"}
	}
	if _, err = s.grant(ctx, t, "", granted); err != nil || granted.Refresh.Empty() {
		return err
	}
	return s.becomeLogin(ctx, id)
}

// becomeLogin makes a session token that has become a login known as that of its account,
// unless another token is that already, or somebody edits it right now.
func (s *Store) becomeLogin(ctx context.Context, id string) error {
	t, err := s.read(ctx, id)
	if err != nil {
		return err
	}
	content, err := t.record.open(s.keys, id)
	if err != nil || token.Subject(content.Secret) == "" || content.Kind == tokenstorev1.CredentialKind_CREDENTIAL_KIND_LOGIN {
		return err
	}
	content.Kind = tokenstorev1.CredentialKind_CREDENTIAL_KIND_LOGIN
	if _, err = s.resealOne(ctx, t, content, s.keys.Fingerprint(content.identity())); rpcerr.Is(err, tokenstorev1.Reason_REASON_ALREADY_EXISTS) {
		return nil
	}
	return err
}

// takeLogins is TakeErrands for logins.
func (s *Store) takeLogins(ctx context.Context, room int, held []ErrandRef) (errands []Errand, lost []ErrandRef, err error) {
	args := []any{room, s.errandHold.Milliseconds()}
	for _, each := range held {
		args = append(args, each.ID, each.Epoch)
	}
	values, err := await(ctx, s, pollsKey(), func(ctx context.Context) ([]any, error) {
		return takeLoginsScript.run(ctx, s.client, []string{pollsKey(), pollEpochKey()}, args...).Slice()
	})
	if err != nil {
		return nil, nil, storeError("take logins", err)
	}
	reply := &row{values: values}
	lost, at := lostErrands(reply)
	for ; at+2 <= len(reply.values) && reply.err == nil; at += 2 {
		errand, err := s.openLogin(ctx, ErrandRef{reply.text(at), reply.count(at + 1)})
		if err != nil {
			return nil, nil, err
		}
		if errand != nil {
			errands = append(errands, *errand)
		}
	}
	return errands, lost, reply.err
}

// openLogin returns the poll of a login; nil for one that is over by now, or can't be opened
// and has therefore failed.
func (s *Store) openLogin(ctx context.Context, poll ErrandRef) (*Errand, error) {
	f, err := s.readLogin(ctx, poll.ID)
	if isNoToken(err) || err == nil && f["state"] != pendingState {
		return nil, nil //nolint:nilnil // as promised
	}
	if err != nil {
		return nil, err
	}
	verifier, err := s.openGiven(f["verifier"], verifierBinding(poll.ID))
	proxy, proxyErr := s.openGiven(f["proxy"], loginProxyBinding(poll.ID))
	if err := errors.Join(err, proxyErr); err != nil {
		s.log.LogAttrs(ctx, slog.LevelError, "a login is damaged", slog.String("login_id", poll.ID), slog.Any("error", err))
		_, err = s.RefuseLogin(ctx, poll, "what is stored of it can't be opened")
		return nil, err
	}
	return &Errand{
		ErrandRef: poll, Upstream: f["upstream"], Proxy: proxy, Login: &LoginErrand{UUID: f["uuid"], Verifier: verifier},
	}, nil
}
