package embeddedredis

import (
	"context"
	"os/exec"
	"regexp"
	"strconv"
)

// everySecond is the appendfsync of a server that can be waited for.
const everySecond = "everysec"

// serverVersion is in what a server says of itself, on the command line and to clients.
var serverVersion = regexp.MustCompile(`(?:v=|redis_version:)(\d+)\.(\d+)`)

// AppendFsync returns the appendfsync of a redis-server of ours: everysec where it has
// WAITAOF (7.2), so that only what must be saved waits for the disk; always where it has
// not, or doesn't tell its version.
func AppendFsync(ctx context.Context, path string) string {
	said, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "always"
	}
	return fsyncOf(string(said))
}

func fsyncOf(version string) string {
	found := serverVersion.FindStringSubmatch(version)
	if found == nil {
		return "always"
	}
	major, _ := strconv.Atoi(found[1])
	minor, _ := strconv.Atoi(found[2])
	if major > 7 || major == 7 && minor >= 2 {
		return everySecond
	}
	return "always"
}
