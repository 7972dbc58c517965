package redisstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/*.lua lua/parts/*.lua
var luaFiles embed.FS

// script is one file of lua/. Its header is a contract, checked on every call
// and, against the script's own text, by a test:
//
//	-- what it does
//	-- KEYS[1] hash what it is           a key, with its Redis type
//	-- DYNKEY hash c1:{pool:NAME}:token:<id>  a key that it derives from a prefix
//	-- ARGV[1] name unit                 an argument
//	-- ARGV[2...] name unit              any number of arguments from here on
//	-- RETURN what
//	-- USE name                          a part of lua/parts, whose functions it calls
//
// What is longer than a line goes on in the next one, indented. What a script uses stands between
// its header and its text.
type script struct {
	name string
	// loaded reads the file when the script is first needed. Most never are.
	loaded func() loadedScript
}

type loadedScript struct {
	source   string
	contract contract
	redis    *redis.Script
}

type contract struct {
	keys, args int
	// more: args is a minimum.
	more  bool
	parts []string
}

// newScript is lua/<name>.lua.
func newScript(name string) *script {
	return &script{name: name, loaded: sync.OnceValue(func() loadedScript { return loadScript(name) })}
}

// loadScript reads lua/<name>.lua. It panics when that does not exist or has no
// contract: both are mistakes of the build, which a test finds.
func loadScript(name string) loadedScript {
	source, err := luaFiles.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err)
	}
	terms, err := readContract(string(source))
	if err != nil {
		panic(fmt.Sprintf("lua/%s.lua: %v", name, err))
	}
	whole, err := compose(string(source), terms.parts)
	if err != nil {
		panic(fmt.Sprintf("lua/%s.lua: %v", name, err))
	}
	loaded := loadedScript{source: whole, contract: terms, redis: redis.NewScript(whole)}
	scriptNames.Store(loaded.redis.Hash(), name)
	scriptNames.Store(whole, name)
	return loaded
}

// compose puts the parts that a script uses behind its header, in their order.
func compose(source string, parts []string) (string, error) {
	header, body, _ := strings.Cut(source, "\n\n")
	whole := []string{header}
	for _, name := range parts {
		part, err := luaFiles.ReadFile("lua/parts/" + name + ".lua")
		if err != nil {
			return "", fmt.Errorf("USE %s: there is no such part", name)
		}
		whole = append(whole, strings.TrimRight(string(part), "\n"))
	}
	return strings.Join(append(whole, body), "\n\n"), nil
}

var (
	keyLine    = regexp.MustCompile(`^-- KEYS\[(\d+)\] (string|hash|set|zset|stream|list) \S`)
	argLine    = regexp.MustCompile(`^-- ARGV\[(\d+)(\.\.\.)?\] \S+ \S`)
	dynLine    = regexp.MustCompile(`^-- DYNKEY (string|hash|set|zset|stream|list) c1:\{[\w:]+\}:\S`)
	useLine    = regexp.MustCompile(`^-- USE (\w+)$`)
	returnLine = regexp.MustCompile(`^-- RETURN \S`)
)

func readContract(source string) (contract, error) {
	var terms contract
	var returns bool
	header, _, _ := strings.Cut(source, "\n\n")
	for i, line := range strings.Split(strings.TrimRight(header, "\n"), "\n") {
		if !strings.HasPrefix(line, "-- ") {
			return terms, fmt.Errorf("line %d: the header ends with an empty line", i+1)
		}
		if key := keyLine.FindStringSubmatch(line); key != nil {
			terms.keys++
			if key[1] != strconv.Itoa(terms.keys) {
				return terms, fmt.Errorf("KEYS[%s] is out of order", key[1])
			}
		} else if arg := argLine.FindStringSubmatch(line); arg != nil {
			terms.args++
			if arg[1] != strconv.Itoa(terms.args) || terms.more {
				return terms, fmt.Errorf("ARGV[%s] is out of order", arg[1])
			}
			terms.more = arg[2] != ""
		} else if returnLine.MatchString(line) {
			returns = true
		} else if use := useLine.FindStringSubmatch(line); use != nil {
			terms.parts = append(terms.parts, use[1])
		} else if strings.HasPrefix(line, "-- DYNKEY") && !dynLine.MatchString(line) || strings.HasPrefix(line, "-- KEYS") || strings.HasPrefix(line, "-- ARGV") {
			return terms, fmt.Errorf("line %d: malformed", i+1)
		}
	}
	if !returns {
		return terms, errors.New("no RETURN in the header")
	}
	return terms, nil
}

func (c contract) check(keys, args int) error {
	if keys != c.keys {
		return fmt.Errorf("%d keys, the contract says %d", keys, c.keys)
	}
	minimum := c.args
	if c.more {
		minimum-- // none at all is also any number
	}
	if args < minimum || args > c.args && !c.more {
		return fmt.Errorf("%d arguments, the contract says %d", args, c.args)
	}
	return nil
}

// run carries the script out in a round trip of its own.
func (s *script) run(ctx context.Context, client redis.Scripter, keys []string, args ...any) *redis.Cmd {
	if err := s.loaded().contract.check(len(keys), len(args)); err != nil {
		return s.refuse(ctx, err)
	}
	return s.loaded().redis.Run(ctx, client, keys, args...)
}

func (s *script) refuse(ctx context.Context, err error) *redis.Cmd {
	cmd := redis.NewCmd(ctx)
	cmd.SetErr(fmt.Errorf("script %s: %w", s.name, err))
	return cmd
}

// batch carries several scripts out, in order, in one round trip.
type batch struct {
	client redis.UniversalClient
	calls  []*call
	// silent, where there is one, has the primaries of a Cluster asked each by itself.
	silent *silent
}

type call struct {
	script *script
	keys   []string
	args   []any
	reply  *redis.Cmd
}

// add queues a script; its result is there after exec.
func (b *batch) add(s *script, keys []string, args ...any) *call {
	queued := &call{script: s, keys: keys, args: args}
	b.calls = append(b.calls, queued)
	return queued
}

// exec sends what was added. A server that has lost its scripts in a restart
// gets those calls again with their sources. Each call has its own result: read
// them, also when exec answers an error, which is the first one's.
func (b *batch) exec(ctx context.Context) error {
	if err := b.send(ctx, b.calls, redis.Scripter.EvalSha, (*redis.Script).Hash); err == nil {
		return nil
	}
	var unknown []*call
	for _, c := range b.calls {
		if redis.HasErrorPrefix(c.reply.Err(), "NOSCRIPT") {
			unknown = append(unknown, c)
		}
	}
	if len(unknown) > 0 {
		_ = b.send(ctx, unknown, redis.Scripter.Eval, nil) // each call keeps its own error
	}
	for _, c := range b.calls {
		if err := c.reply.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	return nil
}

func (b *batch) send(ctx context.Context, calls []*call,
	eval func(redis.Scripter, context.Context, string, []string, ...any) *redis.Cmd, text func(*redis.Script) string,
) error {
	if cluster, is := b.client.(*redis.ClusterClient); is && b.silent != nil {
		return b.sendApart(ctx, cluster, calls, func(ctx context.Context, part []*call) error { return b.sendJointly(ctx, part, eval, text) })
	}
	return b.sendJointly(ctx, calls, eval, text)
}

func (b *batch) sendJointly(ctx context.Context, calls []*call,
	eval func(redis.Scripter, context.Context, string, []string, ...any) *redis.Cmd, text func(*redis.Script) string,
) error {
	pipe := b.client.Pipeline()
	for _, c := range calls {
		if err := c.script.loaded().contract.check(len(c.keys), len(c.args)); err != nil {
			c.reply = c.script.refuse(ctx, err)
			continue
		}
		body := c.script.loaded().source
		if text != nil {
			body = text(c.script.loaded().redis)
		}
		c.reply = eval(pipe, ctx, body, c.keys, c.args...)
	}
	return sendEach(ctx, pipe)
}
