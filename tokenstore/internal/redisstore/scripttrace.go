package redisstore

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"

	"carousel.internal/proto/service/tracing"
)

// beginScript begins the spans of a round trip with a script, in the traces of those for whom it
// is made; command is evalsha, or eval for one that Redis has lost. Neither keys nor arguments are
// told: they may be secrets.
func beginScript(ctx context.Context, command, name string) tracing.Joint {
	operation := strings.ToUpper(command)
	return tracing.Each(ctx, operation+" "+name,
		attribute.String("db.system.name", "redis"), attribute.String("db.operation.name", operation), attribute.String("db.stored_procedure.name", name))
}

// beginScripts is beginScript for a round trip with several commands: it has the first script's
// name.
func beginScripts(ctx context.Context, cmds []redis.Cmder) tracing.Joint {
	for _, cmd := range cmds {
		if name := scriptOf(cmd); name != "" {
			return beginScript(ctx, cmd.Name(), name)
		}
	}
	return nil
}

// endScript ends them.
func endScript(spans tracing.Joint, err error) {
	kind := ""
	if hasFailed(err) {
		kind = "redis"
	}
	spans.End(kind)
}
