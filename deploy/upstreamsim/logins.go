package upstreamsim

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// refreshGrace is how long a rotated refresh token is still answered.
	refreshGrace = 5 * time.Second
	// defaultLifetime is that of an access token.
	defaultLifetime = time.Hour
	// maxAccounts and maxAttempts bound what can be made from outside.
	maxAccounts = 20_000
	maxAttempts = 10_000
	// maxIssued is how many access tokens of an account can still be revoked.
	maxIssued = 16
	// maxRotated is how many old refresh tokens of an account are still known as its own.
	maxRotated = 16
)

// AccountSettings are what an account that logs in is like. In a change, zero values leave what
// there is.
type AccountSettings struct {
	// LifetimeS is that of access tokens in seconds; an hour by default.
	LifetimeS int64 `json:"lifetime_s,omitempty"`
	// Plan is free, pro or whatever the profile shall say; pro by default.
	Plan string `json:"plan,omitempty"`
	// Refused are enums by the beginning of the model ids that are refused with them, as
	// {"claude-": 64} for a region and {"gpt-": 4} for a plan.
	Refused map[string]int `json:"refused,omitempty"`
	// Limit is how many chats the account may have until ResetsAt.
	Limit    int64     `json:"limit,omitempty"`
	ResetsAt time.Time `json:"resets_at,omitzero"`
	// DelayMS is the time between a refresh token's rotation and the answer.
	DelayMS int64 `json:"delay_ms,omitempty"`
	// Status is the HTTP status of the next Times refreshes, which change nothing; with Times
	// 0 of all of them, until it is changed to 200.
	Status int `json:"status,omitempty"`
	Times  int `json:"times,omitempty"`
	// Rotation is rotate (the default), keep (the refresh token stays and is told), or silent
	// (it stays, and the answer has none).
	Rotation string `json:"rotation,omitempty"`
}

func (s AccountSettings) check() error {
	if s.LifetimeS < 0 || s.Limit < 0 || s.DelayMS < 0 || s.Times < 0 || s.Status != 0 && (s.Status < 200 || s.Status > 599) {
		return errors.New("numbers must not be negative, and a status is 200 to 599")
	}
	if !slices.Contains([]string{"", "rotate", "keep", "silent"}, s.Rotation) {
		return errors.New("rotation must be rotate, keep or silent")
	}
	return nil
}

// merge takes over what a change says.
func (s *AccountSettings) merge(change AccountSettings) {
	set(&s.LifetimeS, change.LifetimeS)
	set(&s.Plan, change.Plan)
	set(&s.Limit, change.Limit)
	set(&s.DelayMS, change.DelayMS)
	set(&s.Rotation, change.Rotation)
	if change.Refused != nil {
		s.Refused = maps.Clone(change.Refused)
	}
	if !change.ResetsAt.IsZero() {
		s.ResetsAt = change.ResetsAt
	}
	if change.Status != 0 {
		s.Status, s.Times = change.Status, change.Times
	}
}

func set[T comparable](to *T, value T) {
	var zero T
	if value != zero {
		*to = value
	}
}

// NewAccount are the credentials of an account that was made.
type NewAccount struct {
	Subject      string `json:"subject"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	UserAPIKey   string `json:"user_api_key"`
}

// LoginCounts are what was seen of all accounts that log in.
type LoginCounts struct {
	Accounts  int   `json:"accounts"`
	Logins    int64 `json:"logins"`
	Refreshes int64 `json:"refreshes"`
	// DoubleRefreshes are the uses of a refresh token that had been used before.
	DoubleRefreshes int64 `json:"double_refreshes"`
	// Refused are the refreshes that were answered with 401.
	Refused int64 `json:"refused"`
	// Expired are the requests with an access token that had expired.
	Expired int64 `json:"expired"`
	// Lost are the accounts whose client has only a dead refresh token: the latest refresh
	// was refused for it.
	Lost int `json:"lost"`
}

// DoubleRefresh is a use of a refresh token that had been used before.
type DoubleRefresh struct {
	At         time.Time `json:"at"`
	Subject    string    `json:"subject"`
	Connection string    `json:"connection"`
	// FirstAt and FirstConnection are of the first use. FirstUnanswered tells that its client
	// was gone before the answer was written, which makes the second use a proper repeat.
	FirstAt         time.Time `json:"first_at"`
	FirstConnection string    `json:"first_connection"`
	FirstUnanswered bool      `json:"first_unanswered"`
	// FirstClosedAt is when the connection of the first use was closed, zero while it is
	// open: soon after FirstAt where the client died before it could keep the answer.
	FirstClosedAt time.Time `json:"first_closed_at,omitzero"`
	// Refused tells that it came after the grace.
	Refused bool `json:"refused"`
}

// LoginBook is what the simulator knows of accounts that log in.
type LoginBook struct {
	LoginCounts
	Doubles []DoubleRefresh `json:"doubles"`
	// LostSubjects are those of the Lost.
	LostSubjects []string `json:"lost_subjects"`
}

// rotation is the use of a refresh token.
type rotation struct {
	at         time.Time
	connection *watchedConn
	remote     string
	unanswered bool
}

// loginAccount is an account that logs in. Its fields are guarded by logins.
type loginAccount struct {
	subject  string
	settings AccountSettings
	key      string
	refresh  string
	access   string
	issued   []string             // hashes of the newest access tokens
	revoked  map[string]bool      // of these
	used     map[string]*rotation // old refresh tokens
	rotated  []string             // the same, oldest first
	lost     bool
	chats    atomic.Int64
}

// logins are the accounts that log in, and the logins that are under way.
type logins struct {
	now func() time.Time

	mu        sync.Mutex
	accounts  map[string]*loginAccount // by subject
	byRefresh map[string]*loginAccount // by current and old refresh tokens
	byKey     map[string]*loginAccount
	attempts  map[string]*attempt // by uuid
	polls     []int               // statuses of the next polls
	counts    LoginCounts
	doubles   []DoubleRefresh
	sequence  uint64
}

func newLogins(now func() time.Time) *logins {
	return &logins{
		now: now, accounts: map[string]*loginAccount{}, byRefresh: map[string]*loginAccount{}, byKey: map[string]*loginAccount{},
		attempts: map[string]*attempt{},
	}
}

// CreateAccounts makes accounts that log in, and answers their credentials.
func (s *Simulator) CreateAccounts(count int, settings AccountSettings) ([]NewAccount, error) {
	if err := settings.check(); err != nil {
		return nil, err
	}
	l := s.logins
	l.mu.Lock()
	defer l.mu.Unlock()
	if count < 1 || len(l.accounts)+count > maxAccounts {
		return nil, fmt.Errorf("there can be 1 to %d accounts", maxAccounts)
	}
	made := make([]NewAccount, 0, count)
	for range count {
		account := l.create(settings)
		made = append(made, NewAccount{account.subject, account.access, account.refresh, account.key})
	}
	return made, nil
}

// create makes an account. The caller locks.
func (l *logins) create(settings AccountSettings) *loginAccount {
	l.sequence++
	account := &loginAccount{
		subject: fmt.Sprintf("auth0|user_01SIM%021d", l.sequence), settings: settings, key: newKey(),
		revoked: map[string]bool{}, used: map[string]*rotation{},
	}
	account.refresh = newRefresh()
	account.access = l.mint(account)
	l.accounts[account.subject], l.byKey[account.key], l.byRefresh[account.refresh] = account, account, account
	return account
}

// newRefresh is a refresh token. Clients must not look for anything in it.
func newRefresh() string { return "rt_" + randomHex(32) }

// newKey is a user's API key.
func newKey() string { return "crsr_" + randomHex(32) }

func randomHex(bytes int) string {
	random := make([]byte, bytes)
	_, _ = rand.Read(random) // it never fails
	return hex.EncodeToString(random)
}

// mint makes an access token. The caller locks.
func (l *logins) mint(account *loginAccount) string {
	lifetime := defaultLifetime
	if account.settings.LifetimeS > 0 {
		lifetime = time.Duration(account.settings.LifetimeS) * time.Second
	}
	l.sequence++
	now := l.now()
	token := sessionJWT(account.subject, l.sequence, now.Unix(), now.Add(lifetime).Unix())
	account.issued = append(account.issued, hashOf(token))
	if len(account.issued) > maxIssued {
		delete(account.revoked, account.issued[0])
		account.issued = account.issued[1:]
	}
	return token
}

// of is the account that a token is of, nil for one that never logs in. The caller locks.
func (l *logins) of(a *account) *loginAccount {
	if !a.signed {
		return nil
	}
	return l.accounts[a.subject]
}

// accepts tells whether a token is one of an account that logs in, and whether it was revoked.
func (l *logins) accepts(a *account) (own, revoked bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	account := l.of(a)
	return account != nil, account != nil && account.revoked[a.hash]
}

// settingsOf are those of the account that a token is of.
func (l *logins) settingsOf(a *account) AccountSettings {
	l.mu.Lock()
	defer l.mu.Unlock()
	if account := l.of(a); account != nil {
		return account.settings
	}
	return AccountSettings{}
}

// chatsOf counts the chats of the account that a token is of.
func (l *logins) chatsOf(a *account) *atomic.Int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if account := l.of(a); account != nil {
		return &account.chats
	}
	return &a.chats
}

// refusal is the enum with which a model is refused to an account, 0 for none.
func (l *logins) refusal(a *account, model string) int {
	for prefix, enum := range l.settingsOf(a).Refused {
		if strings.HasPrefix(model, prefix) {
			return enum
		}
	}
	return 0
}

// countExpired counts a request with an access token that has expired.
func (l *logins) countExpired() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Expired++
}

// ChangeAccounts changes the account of a subject, or all of them where it is empty.
func (s *Simulator) ChangeAccounts(subject string, change AccountSettings) error {
	if err := change.check(); err != nil {
		return err
	}
	return s.logins.each(subject, func(account *loginAccount) { account.settings.merge(change) })
}

// RevokeAccess has the access tokens refused that an account, or each of all, has been given so
// far.
func (s *Simulator) RevokeAccess(subject string) error {
	return s.logins.each(subject, func(account *loginAccount) {
		for _, hash := range account.issued {
			account.revoked[hash] = true
		}
	})
}

// RevokeRefresh makes the refresh token of an account, or of each, one that is refused.
func (s *Simulator) RevokeRefresh(subject string) error {
	l := s.logins
	return l.each(subject, func(account *loginAccount) {
		delete(l.byRefresh, account.refresh)
		delete(l.byKey, account.key)
		account.refresh = newRefresh()
		account.key = newKey()
		l.byRefresh[account.refresh], l.byKey[account.key] = account, account
	})
}

func (l *logins) each(subject string, change func(*loginAccount)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if subject != "" {
		account := l.accounts[subject]
		if account == nil {
			return errors.New("there is no such account")
		}
		change(account)
		return nil
	}
	for _, account := range l.accounts {
		change(account)
	}
	return nil
}

// Logins answers what was seen of the accounts that log in.
func (s *Simulator) Logins() LoginBook {
	l := s.logins
	l.mu.Lock()
	defer l.mu.Unlock()
	told := LoginBook{LoginCounts: l.counts, Doubles: append([]DoubleRefresh{}, l.doubles...), LostSubjects: []string{}}
	told.Accounts = len(l.accounts)
	for subject, account := range l.accounts {
		if account.lost {
			told.LostSubjects = append(told.LostSubjects, subject)
		}
	}
	slices.Sort(told.LostSubjects)
	told.Lost = len(told.LostSubjects)
	return told
}
