package redisstore

import (
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"carousel.internal/tokenstore/internal/testredis"
)

var (
	positionUse = regexp.MustCompile(`\b(KEYS|ARGV)\[(\d+)\]`)
	// A script without fixed keys names one for its place in a cluster only.
	placingKey = regexp.MustCompile(`-- KEYS\[\d+\] .*places the script in its slot`)
	wholeArgv  = regexp.MustCompile(`#ARGV|unpack\(ARGV`)
	loadedName = regexp.MustCompile(`newScript\("(\w+)"\)`)
)

// Every script's text uses exactly the keys and arguments that its header
// promises; script.run holds the callers to the same header.
func TestScriptsKeepTheirContracts(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(luaFiles, "lua/*.lua")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "lua/"), ".lua")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(name)
			header, body, found := strings.Cut(s.loaded().source, "\n\n")
			if !found {
				t.Fatal("no body after the header")
			}
			used := map[string]map[int]bool{"KEYS": {}, "ARGV": {}}
			for _, use := range positionUse.FindAllStringSubmatch(body, -1) {
				number, _ := strconv.Atoi(use[2])
				used[use[1]][number] = true
			}
			fixed := s.loaded().contract.args
			if s.loaded().contract.more {
				fixed--
				if !wholeArgv.MatchString(body) {
					t.Error("the header promises any number of arguments, the body never asks how many")
				}
			}
			for kind, promised := range map[string]int{"KEYS": s.loaded().contract.keys, "ARGV": fixed} {
				for number := range promised {
					placed := kind == "KEYS" && placingKey.MatchString(header)
					if !used[kind][number+1] && !placed {
						t.Errorf("%s[%d] is not used", kind, number+1)
					}
				}
				for number := range used[kind] {
					rest := kind == "ARGV" && s.loaded().contract.more && number == promised+1
					if number > promised && !rest {
						t.Errorf("%s[%d] is not in the header", kind, number)
					}
				}
			}
		})
	}
}

func TestEveryScriptFileIsLoaded(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(luaFiles, "lua/*.lua")
	if err != nil {
		t.Fatal(err)
	}
	loaded := map[string]bool{}
	for _, source := range goSources(t) {
		for _, use := range loadedName.FindAllStringSubmatch(source, -1) {
			loaded[use[1]] = true
		}
	}
	for _, file := range files {
		if !loaded[strings.TrimSuffix(strings.TrimPrefix(file, "lua/"), ".lua")] {
			t.Errorf("%s is loaded by nothing", file)
		}
	}
}

func TestMalformedContracts(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]string{
		"no return":      "-- does\n-- KEYS[1] hash x\n",
		"key order":      "-- KEYS[2] hash x\n-- RETURN x\n",
		"key type":       "-- KEYS[1] thing x\n-- RETURN x\n",
		"argument unit":  "-- ARGV[1] name\n-- RETURN x\n",
		"after the last": "-- ARGV[1...] n unit\n-- ARGV[2] n unit\n-- RETURN x\n",
		"code inside":    "-- does\nlocal x\n-- RETURN x\n",
		"derived key":    "-- DYNKEY hash something\n-- RETURN x\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if terms, err := readContract(header + "\nreturn 1\n"); err == nil {
				t.Errorf("accepted as %+v", terms)
			}
		})
	}
}

func testScript(t *testing.T, source string) *script {
	t.Helper()
	terms, err := readContract(source)
	if err != nil {
		t.Fatal(err)
	}
	loaded := loadedScript{source: source, contract: terms, redis: redis.NewScript(source)}
	return &script{name: "test", loaded: func() loadedScript { return loaded }}
}

func TestRunHoldsCallersToTheContract(t *testing.T) {
	t.Parallel()
	client := testredis.Mini(t)
	s := testScript(t, "-- KEYS[1] string x\n-- ARGV[1] a text\n-- ARGV[2...] b text\n-- RETURN #\n\nreturn #ARGV + #KEYS\n")
	for _, bad := range [][2]int{{0, 1}, {2, 1}, {1, 0}} {
		if err := s.run(t.Context(), client, make([]string, bad[0]), make([]any, bad[1])...).Err(); err == nil {
			t.Errorf("%v keys and arguments were accepted", bad)
		}
	}
	for _, args := range [][]any{{"a"}, {"a", "b"}, {"a", "b", "c"}} {
		if got, err := s.run(t.Context(), client, []string{"k"}, args...).Int(); err != nil || got != len(args)+1 {
			t.Errorf("got %d, %v", got, err)
		}
	}
}

// A batch runs in order, also on a server that has never seen its scripts, and
// each call has its own result.
func TestBatch(t *testing.T) {
	t.Parallel()
	testredis.Each(t, func(t *testing.T, client redis.UniversalClient) {
		s := testScript(t, "-- KEYS[1] string x\n-- ARGV[1] a text\n-- RETURN the text so far\n\n"+
			"if ARGV[1] == 'bad' then return redis.error_reply('BAD') end\n"+
			"redis.call('APPEND', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])\n")
		for _, want := range [][]string{{"a", "", "ab"}, {"aba", "", "abab"}} {
			b := &batch{client: client}
			calls := []*call{b.add(s, []string{"k"}, "a"), b.add(s, []string{"k"}, "bad"), b.add(s, []string{"k"}, "b")}
			refused := b.add(s, nil, "b")
			if err := b.exec(t.Context()); err == nil || !strings.Contains(err.Error(), "BAD") {
				t.Errorf("exec: %v", err)
			}
			for i, c := range calls {
				if got, err := c.reply.Text(); got != want[i] || (err != nil) != (want[i] == "") {
					t.Errorf("call %d: %q, %v", i, got, err)
				}
			}
			if refused.reply.Err() == nil {
				t.Error("a call against the contract was carried out")
			}
		}
	})
}

var (
	neededLine  = regexp.MustCompile(`(?m)^-- Needs (.*)\.$`)
	definedName = regexp.MustCompile(`(?m)^local function (\w+)`)
)

// A script uses the parts that its parts need, before them, and something of each; each
// part is of some use.
func TestPartsAreUsed(t *testing.T) {
	t.Parallel()
	scripts, err := fs.Glob(luaFiles, "lua/*.lua")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, file := range scripts {
		s := newScript(strings.TrimSuffix(strings.TrimPrefix(file, "lua/"), ".lua"))
		before := map[string]bool{}
		for _, name := range s.loaded().contract.parts {
			source, _ := luaFiles.ReadFile("lua/parts/" + name + ".lua") // newScript has read it
			if needs := neededLine.FindStringSubmatch(string(source)); needs != nil {
				for need := range strings.SplitSeq(needs[1], ", ") {
					if !before[need] {
						t.Errorf("%s: part %s needs %s before it", s.name, name, need)
					}
				}
			}
			before[name], used[name] = true, true
			defined := definedName.FindAllStringSubmatch(string(source), -1)
			if len(defined) > 0 && !slices.ContainsFunc(defined, func(each []string) bool {
				return strings.Count(s.loaded().source, each[1]+"(") > 1 || strings.Contains(s.loaded().source, each[1]+",")
			}) {
				t.Errorf("%s: nothing of part %s is used", s.name, name)
			}
		}
	}
	parts, err := fs.Glob(luaFiles, "lua/parts/*.lua")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range parts {
		if !used[strings.TrimSuffix(strings.TrimPrefix(file, "lua/parts/"), ".lua")] {
			t.Errorf("%s is used by nothing", file)
		}
	}
}

func TestAPartThatIsMissing(t *testing.T) {
	t.Parallel()
	if whole, err := compose("-- does\n\nreturn 1\n", []string{"nothing"}); err == nil {
		t.Errorf("composed as %q", whole)
	}
}
