package tokenform

import tokenstorev1 "carousel.internal/proto/tokenstore/v1"

var states = [...]struct {
	name  string
	state tokenstorev1.TokenState
}{
	{"ready", tokenstorev1.TokenState_TOKEN_STATE_READY},
	{"quarantined", tokenstorev1.TokenState_TOKEN_STATE_QUARANTINED},
	{"cooling", tokenstorev1.TokenState_TOKEN_STATE_COOLING},
	{"probing", tokenstorev1.TokenState_TOKEN_STATE_PROBING},
	{"parked", tokenstorev1.TokenState_TOKEN_STATE_PARKED},
	{"expired", tokenstorev1.TokenState_TOKEN_STATE_EXPIRED},
	{"disabled", tokenstorev1.TokenState_TOKEN_STATE_DISABLED},
}

// States are the store's by name.
var States = func() map[string]tokenstorev1.TokenState {
	byName := make(map[string]tokenstorev1.TokenState, len(states))
	for _, each := range states {
		byName[each.name] = each.state
	}
	return byName
}()

// StateNames are their names, in the order in which a token goes through them.
func StateNames() []string {
	names := make([]string, len(states))
	for i, each := range states {
		names[i] = each.name
	}
	return names
}

// StateName is the name of a state; empty where it has none.
func StateName(state tokenstorev1.TokenState) string {
	for _, each := range states {
		if each.state == state {
			return each.name
		}
	}
	return ""
}

// The kinds of what a token's secret is.
const (
	Session = "session"
	APIKey  = "api_key"
	UserKey = "user_key"
	Login   = "login"
)

var kindNames = map[tokenstorev1.CredentialKind]string{
	tokenstorev1.CredentialKind_CREDENTIAL_KIND_SESSION:  Session,
	tokenstorev1.CredentialKind_CREDENTIAL_KIND_API_KEY:  APIKey,
	tokenstorev1.CredentialKind_CREDENTIAL_KIND_USER_KEY: UserKey,
	tokenstorev1.CredentialKind_CREDENTIAL_KIND_LOGIN:    Login,
}

// KindName is the name of a kind; empty where the store does not tell it.
func KindName(kind tokenstorev1.CredentialKind) string { return kindNames[kind] }
