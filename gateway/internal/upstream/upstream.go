// Package upstream says what a driver is: the translation of a canonical chat
// to and from one provider's wire. Each driver is a folder below; the suite
// that defines their behaviour is upstreamtest. The package knows no provider,
// no dialect and no token pool.
package upstream

import (
	"context"
	"errors"
	"iter"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/proto/service/secret"
)

// Driver speaks to one configured upstream. It is safe for concurrent use and
// keeps its pooled connections until Close.
type Driver interface {
	// Chat sends the call and yields the answer, event by event, in the caller's
	// goroutine. The request goes out when the iteration begins; it is cancelled
	// and its connection released when the iteration ends, however it ends.
	//
	// The iteration ends after the last event of a complete answer, or with one
	// error, always a *Failure. An answer that ends early or is empty is an
	// error, never an end. Every answer that ends well has had an event with
	// Finish set, before which all its blocks were closed.
	Chat(ctx context.Context, call *Call) iter.Seq2[chat.Event, error]
	// Models asks the upstream what it serves. A driver that can't ask answers what it
	// knows.
	Models(ctx context.Context, credential Credential) ([]chat.Model, error)
	// Close drops idle connections. Running calls end as they would.
	Close()
}

// BuiltIn is implemented by drivers that know models without asking.
type BuiltIn interface {
	// BuiltInModels are served whatever the upstream tells.
	BuiltInModels() []chat.Model
	// AsksModels tells whether Models asks the upstream all the same. The driver then keeps
	// what it is told, and goes by it: so it asks also where a list is configured.
	AsksModels() bool
}

// ErrNotAsked tells that an upstream can't be asked for its models: its driver knows them.
var ErrNotAsked = errors.New("its driver has its own list of models")

// Preparer is implemented by drivers that look at a request before a token is lent
// for it: what they refuse costs no token, and what they fetch is fetched once,
// however many tokens are tried.
type Preparer interface {
	// Prepare answers the request that Chat is to be called with: the same one, or a
	// copy with what was fetched. Errors are *chat.Error.
	Prepare(ctx context.Context, request *chat.Request, options Options) (*chat.Request, error)
}

// Fitter is implemented by drivers whose models don't all take what requests of the upstream's
// own dialect can say.
type Fitter interface {
	// Fit is what is said in a request that goes as it came, in the place of the client, so that
	// the model takes it: in the words that it has, without what it refuses. The parameters
	// themselves are not changed.
	Fit(request *chat.Request, model string, parameters []chat.Parameter) []chat.Parameter
}

// TokenCounter is implemented by drivers whose upstream counts the tokens of a request of
// its own dialect without answering it.
type TokenCounter interface {
	// CountTokens returns the tokens of the whole prompt. Errors are *Failure.
	CountTokens(ctx context.Context, call *Call) (int, error)
}

// Native is implemented by drivers that send a request on as it came, if it is in their
// upstream's own dialect.
type Native interface {
	// Speaks tells whether the upstream speaks the dialect, named as in chat.Source.
	Speaks(dialect string) bool
}

// TakesAsItCame tells whether the driver sends the request on as it came.
func TakesAsItCame(driver Driver, request *chat.Request) bool {
	native, ok := driver.(Native)
	return ok && request.Source.Dialect != "" && native.Speaks(request.Source.Dialect)
}

// OwnTokens is implemented by drivers whose upstream takes a token that the caller
// of the gateway brought.
type OwnTokens interface{ TakesOwnTokens() }

// Call is one attempt: a request with a credential.
type Call struct {
	// Request is what Prepare answered, where the driver has it.
	Request *chat.Request
	// Model is the id to send upstream: Request.Model without an upstream prefix.
	Model      string
	Credential Credential
	// WithoutSeals leaves reasoning of earlier turns out, because the upstream refused a
	// seal in it.
	WithoutSeals bool
	// Options are hot settings as of the request's start.
	Options Options
	// Grouped, if it is set, is told the credential's group as soon as an answer tells it, of
	// whatever kind that is: credentials of one group share limits, as the keys of one
	// organisation do. 1 to 64 digits and letters a to z, from which nobody learns whose
	// they are.
	Grouped func(group string)
	// Keep, if it is set, is offered an answer that ends in calls before the end of it is
	// yielded, and tells whether it takes it; a Keeper's. It is the taker's when the iteration
	// has ended. Where that is by an error, or because the caller has had enough, it is Done.
	Keep func(Kept) bool
	// Resume is an answer of this driver that Fits; nil: the request is sent as a whole.
	Resume Kept
	// Told is what the earlier parts of a resumed answer have counted, for those whose
	// upstream counts all of it at the end.
	Told chat.Usage
}

// Credential is what a lease permits to use, and only while it is held.
type Credential struct {
	Secret secret.Value
	// DeviceID and MACHash are checksum material: 64 hex digits each, stable for
	// the token's life. Empty where the upstream needs none.
	DeviceID string
	MACHash  string
	// Proxy is the URL that everything about the token goes through, with its password;
	// empty: the upstream's, if it has one.
	Proxy secret.Value
	// Renewable tells that Secret is an access token which can be had anew when the upstream
	// refuses it.
	Renewable bool
}

// MaskedChecksum is what may be shown of the checksum material, as the token
// store shows it; empty where there is none.
func (c Credential) MaskedChecksum() string {
	if c.DeviceID == "" {
		return ""
	}
	return secret.New(c.DeviceID + c.MACHash).Masked()
}

// Options are settings that an admin can change while requests run.
type Options struct {
	SlowPool            bool
	DefaultInstructions string
	// Vision is VisionNone, VisionBase64 or VisionAll; empty is VisionBase64.
	Vision string
	// ClientVersion and Timezone are what the Cursor driver says of itself.
	ClientVersion string
	Timezone      string
}

// Config is one configured upstream.
type Config struct {
	Name     string
	Driver   string
	BaseURL  string
	Models   []string
	Settings map[string]string
}

// Constructor builds a driver; it refuses a config that can't work, saying
// which field is wrong.
type Constructor func(Config) (Driver, error)
