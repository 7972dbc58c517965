package embeddedredis

import "testing"

func TestFsyncOfVersions(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64": "always",
		"Redis server v=6.2.14 sha=0":                                        "always",
		"Redis server v=7.2.0 sha=0":                                         "everysec",
		"Redis server v=7.10.1 sha=0":                                        "everysec",
		"Valkey server v=8.1.0 sha=0":                                        "everysec",
		"Redis server v=10.0.0 sha=0":                                        "everysec",
		"# Server\r\nredis_version:7.2.4\r\nvalkey_version:8.1.0\r\n":        "everysec",
		"# Server\r\nredis_version:7.0.15\r\nredis_git_sha1:00000000\r\n":    "always",
		"something else":                                                     "always",
	} {
		if got := fsyncOf(version); got != want {
			t.Errorf("%s: %s", version, got)
		}
	}
}
