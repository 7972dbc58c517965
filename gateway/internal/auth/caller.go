package auth

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/cursor/checksum"
	"carousel.internal/proto/cursor/sessiontoken"
	"carousel.internal/proto/service/secret"
)

// AliasHeader chooses a token by its alias, percent-encoded.
const AliasHeader = "X-Carousel-Alias"

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

// Sender is who has sent a request.
type Sender struct {
	// Choice is which token the request is to be sent with.
	lease.Choice
	// admin is what the admin token hashes to.
	admin []byte
}

// Owner is whose it is what the request leaves behind: a SHA-256 of the key, the same wherever
// that stands, and whatever alias stands behind it.
func (s Sender) Owner() [sha256.Size]byte {
	if own := s.Own; own != nil {
		return sha256.Sum256([]byte("own token\x00" + own.Secret.Reveal()))
	}
	return sha256.Sum256(append([]byte("admin\x00"), s.admin...))
}

// Caller judges the key of a chat request, and answers whose it is, and which token the request
// is to be sent with. Keys are
//
//	<admin token>            any token of the pool, or that of AliasHeader
//	<admin token>::<alias>   the pool's token of that alias, percent-encoded
//	<token>,<checksum>       the caller's own session token
//
// and a page's session counts like the admin token. Of several keys in headers one that is
// the admin's counts. Who sends no right key learns nothing of what is allowed. Errors are
// *chat.Error.
func (g *Gate) Caller(r *http.Request, headers []string, allowed Allowed, now time.Time) (Sender, error) {
	choice, err := g.choose(r, headers, allowed, now)
	if err != nil {
		return Sender{}, err
	}
	return Sender{Choice: choice, admin: g.adminHash()}, nil
}

func (g *Gate) choose(r *http.Request, headers []string, allowed Allowed, now time.Time) (lease.Choice, error) {
	g.prefer(r, headers)
	alias := r.Header.Get(AliasHeader)
	key, ok := bearer(r.Header.Get(authorizationHeader))
	if !ok || g.is(key) {
		if err := g.Admit(r); err != nil {
			return lease.Choice{}, err
		}
		return pinned(alias, AliasHeader, allowed)
	}
	if at := strings.LastIndex(key, aliasSeparator); at > 0 && g.is(key[:at]) {
		return pinnedByKey(key[at+len(aliasSeparator):], alias, allowed)
	}
	if at := strings.LastIndex(key, checksumSeparator); at >= 0 && allowed.OwnTokens {
		return g.own(r, key[:at], key[at+len(checksumSeparator):], now)
	}
	return lease.Choice{}, g.Authorize(r)
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
	if r.Header.Get(AliasHeader) != "" {
		return lease.Choice{}, chat.Errorf(chat.InvalidRequest,
			"the header %s chooses a token of this gateway's pool, but the key is a token of your own", AliasHeader)
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
