package redisstore

import (
	"context"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"

	"carousel.internal/proto/service/tracing"
)

// beginScript begins the spans of a round trip with a script, in the traces of those for whom it
// is made. Neither keys nor arguments are told: they may be secrets.
func beginScript(ctx context.Context, name string) tracing.Joint {
	if name == "" {
		return nil
	}
	return tracing.Each(ctx, "EVALSHA "+name,
		attribute.String("db.system.name", "redis"), attribute.String("db.operation.name", "EVALSHA"), attribute.String("db.stored_procedure.name", name))
}

// endScript ends them.
func endScript(spans tracing.Joint, err error) {
	kind := ""
	if hasFailed(err) {
		kind = "redis"
	}
	spans.End(kind)
}

// firstScript is the name of the first script of a round trip; empty: it has none of ours.
func firstScript(cmds []redis.Cmder) string {
	for _, cmd := range cmds {
		if name := scriptOf(cmd); name != "" {
			return name
		}
	}
	return ""
}
