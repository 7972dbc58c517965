package auth

import (
	"net/http"
	"net/url"
	"strings"

	"carousel.internal/gateway/internal/chat"
)

// queryKey is the query parameter in which some clients send it.
const queryKey = "key"

const (
	authorizationHeader = "Authorization"
	scheme              = "Bearer "
)

// TakeKey moves the key of a request to the header `Authorization: Bearer <key>`, where
// everything that serves it looks for it, unless one is there. headers are where clients
// may put it, in the order in which they are believed. inQuery tells whether the route takes
// it from the query; then it is removed there, so that it reaches no log.
func TakeKey(r *http.Request, headers []string, inQuery bool) {
	fromQuery := ""
	if inQuery && r.URL.RawQuery != "" {
		fromQuery = cutKey(r)
	}
	if _, ok := bearer(r.Header.Get(authorizationHeader)); ok {
		return
	}
	for _, name := range headers {
		if key := strings.TrimSpace(r.Header.Get(name)); key != "" && name != authorizationHeader {
			r.Header.Set(authorizationHeader, scheme+key)
			return
		}
	}
	if fromQuery != "" {
		r.Header.Set(authorizationHeader, scheme+fromQuery)
	}
}

// prefer puts a key that is this gateway's in the place of one that is not: clients of some
// APIs send a key of their own beside it.
func (g *Gate) prefer(r *http.Request, headers []string) {
	for _, name := range headers {
		if name == authorizationHeader || len(r.Header[name]) == 0 { // nearly always
			continue
		}
		if key, ok := bearer(r.Header.Get(authorizationHeader)); !ok || g.isOrNames(key) {
			return
		}
		if key := strings.TrimSpace(r.Header.Get(name)); key != "" && g.isOrNames(key) {
			r.Header.Set(authorizationHeader, scheme+key)
			return
		}
	}
}

// isOrNames tells whether a key is the admin token, or has the form of a client key, perhaps with
// an alias behind it.
func (g *Gate) isOrNames(key string) bool {
	if _, _, is := clientSecret(key); is {
		return true
	}
	if at := strings.LastIndex(key, aliasSeparator); at > 0 && g.is(key[:at]) {
		return true
	}
	return g.is(key)
}

// cutKey takes the key out of the query, whose other parameters stay as they are.
func cutKey(r *http.Request) (key string) {
	var rest []string
	for parameter := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, value, _ := strings.Cut(parameter, "=")
		if plain, err := url.QueryUnescape(name); err != nil || plain != queryKey {
			rest = append(rest, parameter)
			continue
		}
		if plain, err := url.QueryUnescape(value); err == nil && key == "" {
			key = strings.TrimSpace(plain)
		}
	}
	r.URL.RawQuery = strings.Join(rest, "&")
	r.RequestURI = r.URL.RequestURI()
	return key
}

// bearer returns the token of `Bearer <token>`; the scheme is case-insensitive.
func bearer(authorization string) (string, bool) {
	if len(authorization) <= len(scheme) || !strings.EqualFold(authorization[:len(scheme)], scheme) {
		return "", false
	}
	token := strings.TrimSpace(authorization[len(scheme):])
	return token, token != ""
}

const wantedForm = "`Authorization: Bearer <key>` is read"

// errMissing says what is there instead of a key.
func errMissing(r *http.Request) *chat.Error {
	authorization := strings.TrimSpace(r.Header.Get(authorizationHeader))
	name, rest, _ := strings.Cut(authorization, " ")
	switch {
	case authorization != "" && strings.EqualFold(name, strings.TrimSpace(scheme)):
		return unauthenticated("the header Authorization has the scheme Bearer and no key behind it: " + wantedForm)
	case authorization != "" && rest == "":
		return unauthenticated("a key was sent in the header Authorization, but without its scheme: " + wantedForm)
	case authorization != "":
		return unauthenticated("the header Authorization was sent with another scheme than Bearer: " + wantedForm)
	case r.URL != nil && r.URL.Query().Has(queryKey):
		return unauthenticated("a key was sent in the query, which is not read here: " + wantedForm)
	default:
		return unauthenticated("no key was sent: the header `Authorization: Bearer <key>` is needed")
	}
}

// errWrong says of a wrong key what its form shows.
func errWrong(key string) *chat.Error {
	switch _, twice := bearer(key); {
	case key == "":
		return unauthenticated("no key was given")
	case twice:
		return unauthenticated("the key is wrong: it begins with `Bearer `, so the scheme was sent twice; " + wantedForm)
	case strings.ContainsAny(key[:1], `"'`) || strings.HasPrefix(key, "<"):
		return unauthenticated("the key is wrong: it stands in quotes, which are no part of it; " + wantedForm)
	case strings.HasPrefix(key, "sk-carousel-"):
		return unauthenticated("the key is wrong: it begins as this gateway's keys do, and is none of them; was all of it copied?")
	default:
		return unauthenticated("the key is wrong")
	}
}

func unauthenticated(message string) *chat.Error {
	return chat.Errorf(chat.Unauthenticated, "%s", message)
}
