package redisstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// storeError turns what the client library returns into STORE_UNAVAILABLE where
// Redis could not be reached or is not able to serve, and says why and during what.
// Other errors are bugs, and stay plain.
func storeError(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	if _, ours := errors.AsType[*rpcerr.Error](err); ours {
		return err
	}
	reason := unavailable(err)
	err = fmt.Errorf("%s: %w", doing, err)
	if reason == "" {
		return err
	}
	return &rpcerr.Error{
		Reason: tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, Message: reason, RetryAfter: time.Second, Err: err,
	}
}

// notServing has the error replies of a Redis that can't serve now, by how they
// begin, and what they mean to whoever operates it. The client library has taken
// `ERR ` away.
var notServing = []struct{ prefix, reason string }{
	{"OOM", "Redis is full: it has reached its maxmemory and refuses writes"},
	{"MISCONF", "Redis refuses writes because it can't save them to its disk"},
	{"READONLY", "Redis is a replica now and refuses writes"},
	{"NOREPLICAS", "Redis refuses writes because too few of its replicas are connected (min-replicas-to-write)"},
	{"NOAUTH", "Redis wants a password; REDIS_URL has none"},
	{"WRONGPASS", "Redis refuses the password in REDIS_URL"},
	{"invalid password", "Redis refuses the password in REDIS_URL"},
	{"NOPERM", noRights},
	{refusedSince70, noRights},
	{refusedSince72, noRights},
	{"LOADING", "Redis is loading its data"},
	{"CLUSTERDOWN", "the Redis Cluster is down"},
	{"MASTERDOWN", "Redis has lost its primary"},
	{"TRYAGAIN", "the Redis Cluster is moving data"},
	{"MOVED", "the Redis Cluster is moving data"},
	{"ASK ", "the Redis Cluster is moving data"},
	{"BUSY ", "Redis is busy with a script"},
	{"UNKILLABLE", "Redis is busy with a script"},
	{"UNBLOCKED", "Redis has changed its role"},
	{"max number of clients reached", "Redis has too many clients (maxclients)"},
	{"EXECABORT", "Redis refuses the transaction"},
}

// How Redis begins to say that a script did what its user may not.
const (
	refusedSince70 = "The user executing the script"
	refusedSince72 = "ACL failure in script"
)

// refusedInScript tells whether a script was refused something that it did.
func refusedInScript(err error) bool {
	return redis.HasErrorPrefix(err, refusedSince70) || redis.HasErrorPrefix(err, refusedSince72)
}

const noRights = "Redis does not give the user in REDIS_URL the rights that the tokenstore needs"

const unreachable = "the store can't be reached"

// unavailable says why Redis can't serve where the error means that it can't; else it
// is empty.
func unavailable(err error) string {
	reply, isReply := errors.AsType[redis.Error](err)
	if !isReply {
		if _, network := errors.AsType[net.Error](err); network || slices.ContainsFunc(connectionLost, func(lost error) bool { return errors.Is(err, lost) }) {
			return unreachable
		}
		return ""
	}
	text := strings.TrimPrefix(reply.Error(), "ERR ")
	// The refusal of a transaction may have the refusal of its command in it.
	if _, cause, found := strings.Cut(text, "discarded because of: "); found {
		text = cause
	}
	for _, each := range notServing {
		if strings.HasPrefix(text, each.prefix) {
			return each.reason
		}
	}
	return ""
}

// connectionLost are the errors of a connection that ended, or was never had,
// which are not net.Errors.
var connectionLost = []error{io.EOF, io.ErrUnexpectedEOF, redis.ErrClosed, redis.ErrPoolTimeout, redis.ErrPoolExhausted}
