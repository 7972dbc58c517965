package allinone

import (
	"fmt"
	"io"
	"net"
	"strings"

	gateway "carousel.internal/gateway/app"
)

// greeting is what a person is told once everything runs.
type greeting struct {
	addr   string
	prefix string
	data   string
	redis  string
	// stray are token files that are not read.
	stray []string
	// demo: the simulated upstreams run.
	demo bool
	// generated is the admin token made in this run; nil when there was one.
	generated *string
	// configured: the admin token is AUTH_TOKEN.
	configured bool
	// link is the path of a link that logs a browser in; empty: there is none.
	link string
}

// welcome prints where things are, what the README's lines need, and one that works.
func welcome(output io.Writer, g greeting) {
	_, port, _ := net.SplitHostPort(g.addr)
	base := "http://localhost:" + port
	var text strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&text, format+"\n", args...) }

	say("")
	say("Carousel is ready.")
	say("")
	say("  API           %s%s/v1", base, g.prefix)
	say("  admin site    %s/admin/", base)
	if g.link != "" {
		say("  log in        %s%s", base, g.link)
		say("                opens the admin site in a browser on this machine: once, within %.0f minutes", gateway.LoginLinkLife.Minutes())
	}
	say("  admin API     %s/admin/api/", base)
	say("  data          %s (Redis: %s)", g.data, g.redis)
	key := "$AUTH_TOKEN"
	switch {
	case g.generated != nil:
		key = *g.generated
		say("  admin token   %s", key)
		say("                generated now and shown only this once; only its hash is kept")
	case g.configured:
		say("  admin token   the one in AUTH_TOKEN")
	default:
		key = "'<the admin token>'"
		say("  admin token   the one that the first start printed (--new-admin-token makes another)")
	}
	for _, name := range g.stray {
		say("  note          ./%s is not read: move it to %s, or name it in TOKEN_FILE or TOKEN_LIST_FILE", name, g.data)
	}
	if g.demo {
		say("")
		say("  SIMULATED UPSTREAM: no token of yours is known yet, so the models are a simulator in this process")
		say("  that repeats what it is told. Add a token of your own and it is gone at the next start.")
	}
	say("")
	say("  Try it; the first line is for all others here and in README.md:")
	say("")
	say("    export CAROUSEL=%s KEY=%s", base, key)
	say("    curl -N $CAROUSEL%s/v1/chat/completions -H \"Authorization: Bearer $KEY\" \\", g.prefix)
	say("      -d '{\"model\": \"%s\", \"stream\": true, \"messages\": [{\"role\": \"user\", \"content\": \"Hello, Carousel!\"}]}'", triedModel)
	if g.demo {
		say("")
		say("  Add a token:")
		say("")
		say("    curl $CAROUSEL/admin/api/tokens -H \"Authorization: Bearer $KEY\" -d '{\"token\": \"<your token>\", \"upstream\": \"cursor\"}'")
	}
	say("")
	_, _ = io.WriteString(output, text.String())
}
