package accesslog

import "context"

// Served is what became of a request on its way. Whoever knows it is not who writes the line.
type Served struct {
	Upstream string
	// Model is the id by which the upstream knows the model; it is not in the line.
	Model string
	// TokenID is empty for a token of the caller's own.
	TokenID string
	// Attempts includes the first; 0: nothing was sent.
	Attempts int
	// Class is the last attempt's: success, or what kind of failure it was; empty without any.
	Class string
}

type servedKey struct{}

// Following makes a context below which Note says how the request was served. The goroutine that
// serves it has served.
func Following(ctx context.Context, served *Served) context.Context {
	return context.WithValue(ctx, servedKey{}, served)
}

// Note says how a context's request was served. It does nothing where nobody follows that.
func Note(ctx context.Context, served Served) {
	if followed, is := ctx.Value(servedKey{}).(*Served); is {
		*followed = served
	}
}
