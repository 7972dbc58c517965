package auth

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/cursor/checksum"
	"carousel.internal/proto/cursor/sessiontoken"
	"carousel.internal/proto/service/secret"
)

// AliasHeader chooses a token by its alias, percent-encoded.
const AliasHeader = "X-Carousel-Alias"

// TokenHeader chooses a token by its upstream and its id, `<upstream>/<id>`: so an admin tries one.
// Unlike an alias it is no name that clients are set up with, and no setting switches it off.
const TokenHeader = "X-Carousel-Token"

const (
	// aliasSeparator is between the admin token and an alias in one key. The last
	// one counts, so that the token itself may hold it.
	aliasSeparator = "::"
	// checksumSeparator is between a caller's own token and its checksum.
	checksumSeparator = ","
)

// Allowed is what callers may do beside asking the pool.
type Allowed struct {
	// OwnTokens lets them bring `<token>,<checksum>` as their key.
	OwnTokens bool
	// AliasPinning lets them choose a token by its alias.
	AliasPinning bool
}

// Sender is who has sent a request. Its Owner is a SHA-256 of who the sender is: the same wherever
// the key stands, whatever alias stands behind it, and whichever of its secrets a client key has.
type Sender struct {
	caller.Caller
	// Choice is which token the request is to be sent with.
	lease.Choice
}

// Caller judges the key of a chat request, and answers whose it is, and which token the request
// is to be sent with. Keys are
//
//	<admin token>            any token of the pool, or that of AliasHeader or TokenHeader
//	<admin token>::<alias>   the pool's token of that alias, percent-encoded
//	<client key>             any token of the pool, within the key's bounds
//	<token>,<checksum>       the caller's own session token
//
// and a page's session counts like the admin token. Of several keys in headers one that is
// the admin's, or has the form of a client key, counts. Who sends no right key learns nothing of
// what is allowed. Errors are *chat.Error.
func (g *Gate) Caller(r *http.Request, headers []string, allowed Allowed, now time.Time) (Sender, error) {
	g.prefer(r, headers)
	alias, token := r.Header.Get(AliasHeader), r.Header.Get(TokenHeader)
	key, ok := bearer(r.Header.Get(authorizationHeader))
	isAdmin := ok && g.is(key)
	if !ok { // from a page, or with no key
		if err := g.Admit(r); err != nil {
			return Sender{}, err
		}
	}
	if !ok || isAdmin {
		choice, err := chosen(token, alias, allowed)
		return g.admin(isAdmin, choice), err
	}
	if at := strings.LastIndex(key, aliasSeparator); at > 0 && g.is(key[:at]) {
		if token != "" {
			return Sender{}, twoChoices()
		}
		choice, err := pinnedByKey(key[at+len(aliasSeparator):], alias, allowed)
		return g.admin(true, choice), err
	}
	if secret, names, is := clientSecret(key); is {
		return g.client(r, secret, names || alias != "" || token != "", now)
	}
	if at := strings.LastIndex(key, checksumSeparator); at >= 0 && allowed.OwnTokens {
		choice, err := g.own(r, key[:at], key[at+len(checksumSeparator):], now)
		return ownSender(choice), err
	}
	return Sender{}, g.Authorize(r)
}

// admin makes the Sender of a request of the admin's: with the token itself, or from a page.
func (g *Gate) admin(token bool, choice lease.Choice) Sender {
	var room [64]byte // so that nothing is allocated
	owner := append(append(room[:0], "admin\x00"...), g.adminHash()...)
	from := caller.Caller{Kind: caller.Session, Owner: sha256.Sum256(owner)}
	if token {
		from.Kind = caller.Admin
	}
	return Sender{Caller: from, Choice: choice}
}

// FromPage is who asks by the form of a page. That a session has sent it is for whoever reads it
// to see.
func (g *Gate) FromPage() caller.Caller { return g.admin(false, lease.Choice{}).Caller }

// client makes the Sender of a request with a client key.
func (g *Gate) client(r *http.Request, secret caller.Secret, choosesToken bool, now time.Time) (Sender, error) {
	key, err := g.keyOf(r, secret, now)
	switch {
	case err != nil:
		return Sender{}, err
	case choosesToken:
		return Sender{}, refusedKey(caller.NotForKeys, key, "choosing a token takes the admin token, and this is a client key: leave the alias, or the token's id, out")
	}
	return Sender{Caller: caller.Caller{Kind: caller.Client, Key: key, Owner: sha256.Sum256([]byte("key\x00" + key.ID))}}, nil
}

// ownSender makes the Sender of a request with a token of the caller's own.
func ownSender(choice lease.Choice) Sender {
	if choice.Own == nil {
		return Sender{}
	}
	owner := sha256.Sum256([]byte("own token\x00" + choice.Own.Secret.Reveal()))
	return Sender{Caller: caller.Caller{Kind: caller.OwnToken, Owner: owner}, Choice: choice}
}

// chosen reads which token is named by its id or by its alias, if one is.
func chosen(token, alias string, allowed Allowed) (lease.Choice, error) {
	switch {
	case token == "":
		return pinned(alias, AliasHeader, allowed)
	case alias != "":
		return lease.Choice{}, twoChoices()
	}
	upstreamName, id, _ := strings.Cut(token, "/")
	if upstreamName == "" || id == "" {
		return lease.Choice{}, chat.Errorf(chat.InvalidRequest, "the header %s names a token as upstream/id", TokenHeader)
	}
	return lease.Choice{Upstream: upstreamName, TokenID: id}, nil
}

func twoChoices() *chat.Error {
	return chat.Errorf(chat.InvalidRequest, "a token is chosen by its alias or by the header %s, not by both", TokenHeader)
}

// pinnedByKey is pinned for an alias in the key; the header must not contradict.
func pinnedByKey(alias, header string, allowed Allowed) (lease.Choice, error) {
	choice, err := pinned(alias, "the part of the key behind "+aliasSeparator, allowed)
	switch {
	case err != nil:
		return lease.Choice{}, err
	case choice.Alias == "":
		return lease.Choice{}, chat.Errorf(chat.InvalidRequest, "the key ends in %s: the alias behind it is missing", aliasSeparator)
	case header != "" && header != alias:
		return lease.Choice{}, chat.Errorf(chat.InvalidRequest, "the key and the header %s name different aliases", AliasHeader)
	}
	return choice, nil
}

// pinned reads an alias, if there is one; where says to the caller what it was
// read from.
func pinned(encoded, where string, allowed Allowed) (lease.Choice, error) {
	if encoded == "" {
		return lease.Choice{}, nil
	}
	if !allowed.AliasPinning {
		return lease.Choice{}, chat.Errorf(chat.InvalidRequest,
			"choosing a token by its alias is switched off on this gateway; the setting enable_alias_pinning allows it")
	}
	alias, err := url.PathUnescape(encoded)
	if err != nil || !utf8.ValidString(alias) {
		return lease.Choice{}, chat.Errorf(chat.InvalidRequest,
			"%s is not an alias in percent-encoding, in which a space is %%20 and a percent sign %%25", where)
	}
	return lease.Choice{Alias: alias}, nil
}

// own reads the token that a caller brought. The timestamp of its checksum may be
// of any time: a new one is made for every request.
func (g *Gate) own(r *http.Request, token, sum string, now time.Time) (lease.Choice, error) {
	for _, name := range []string{AliasHeader, TokenHeader} {
		if r.Header.Get(name) != "" {
			return lease.Choice{}, chat.Errorf(chat.InvalidRequest,
				"the header %s chooses a token of this gateway's pool, but the key is a token of your own", name)
		}
	}
	if _, err := sessiontoken.Parse(token, now); err != nil {
		return lease.Choice{}, g.refuse(r, chat.Errorf(chat.Unauthenticated, "the key is neither this gateway's nor a token that can be used: %s", err))
	}
	if err := checksum.Validate(sum, now); err != nil {
		return lease.Choice{}, g.refuse(r, chat.Errorf(chat.Unauthenticated, "the key is a token with a checksum that can't be used: %s", err))
	}
	material, err := checksum.Parse(sum)
	if err != nil { // Validate has seen it
		return lease.Choice{}, err
	}
	return lease.Choice{Own: &upstream.Credential{
		Secret: secret.New(token), DeviceID: material.DeviceID, MACHash: material.MACHash,
	}}, nil
}
