package tokenfile

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/testredis"
)

func newSecret(text string) secret.Value { return secret.New(text) }

func wantReason(t *testing.T, err error, reason tokenstorev1.Reason) {
	t.Helper()
	if !rpcerr.Is(err, reason) {
		t.Errorf("got %v, want %v", err, reason)
	}
}

// Each kind of line that people have, in either file.
func TestLines(t *testing.T) {
	t.Parallel()
	sum := fresh()
	cases := map[string]struct {
		tokens, list string
		pool         string
		// bad is the reason for which the line is not taken.
		bad string
	}{
		"bare":                      {tokens: "T", pool: "T"},
		"with an alias":             {tokens: "work::T", pool: "work::T"},
		"a user's id":               {tokens: "user_X::T", pool: "user_X::T"},
		"a cookie's value":          {tokens: "user_X%3A%3AT", pool: "user_X::T"},
		"the same in lower case":    {tokens: "user_X%3a%3aT", pool: "user_X::T"},
		"too many parts":            {tokens: "a::b::T", bad: "more than one `::`"},
		"a comment":                 {tokens: "# x"},
		"with a checksum":           {tokens: "T," + sum, pool: "T"},
		"a cookie":                  {tokens: "WorkosCursorSessionToken=user_X%3A%3AT", pool: "user_X::T"},
		"with spaces around":        {tokens: "  T \t", pool: "T"},
		"with CR LF":                {tokens: "T\r\n\r\nwork::U\r\n", pool: "T work::U"},
		"with a byte order mark":    {tokens: "\ufeffT", pool: "T"},
		"an empty alias":            {tokens: "::T", pool: "T"},
		"a checksum that is none":   {tokens: "T,sum", bad: "a checksum has"},
		"listed":                    {list: "T," + sum, pool: "T"},
		"listed, with an alias":     {list: "work::T," + sum, pool: "work::T"},
		"listed, without checksum":  {list: "T", bad: "no checksum"},
		"listed, with two commas":   {list: "T,a,b", bad: "more than one comma"},
		"listed, a comment":         {list: "# T," + sum},
		"listed, nothing after":     {list: "T,", bad: "nothing follows the comma"},
		"in both":                   {tokens: "T", list: "T," + sum, pool: "T"},
		"in both, alias of the 1st": {tokens: "one::T", list: "two::T," + sum, pool: "one::T"},
		"in both, alias of the 2nd": {tokens: "T", list: "two::T," + sum, pool: "two::T"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, testredis.Mini(t))
			report, err := p.Write(t.Context(), c.tokens, &c.list, "")
			p.wantPool("then", c.pool)
			if c.bad != "" {
				wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
				if !strings.Contains(fmt.Sprint(err), c.bad) || !strings.Contains(fmt.Sprint(err), " line 1: ") {
					t.Errorf("it says %v", err)
				}
				if p.get(p.tokens)+p.get(p.list) != "(none)(none)" {
					t.Error("a file was written")
				}
				return
			}
			if err != nil || len(report.RejectedTokens)+len(report.RejectedList) > 0 || report.Accepted != len(strings.Fields(c.pool)) || report.Count != report.Accepted {
				t.Errorf("%+v, %v", report, err)
			}
			if got := p.get(p.tokens); got != strings.ReplaceAll(c.tokens, "\r\n", "\n") {
				t.Errorf("the token file has %q", got)
			}
			if strings.Contains(c.list+c.tokens, sum) && c.pool != "" && p.checksumOf("T").DeviceID != sum[8:72] {
				t.Error("it has another checksum")
			}
			p.wantTidy("then")
		})
	}
}

// Good lines are taken, bad ones reported by file and number; no secret is.
func TestAMixedFile(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p *place) {
		list := "L1," + fresh() + "\nLsecret\n# a comment\n\nL2,x\n"
		tokens := "# mine\nT1\na::b::Tsecret\nwork::T2\nwork::T3\nT1\n"
		report := p.write(tokens, &list)
		if report.Accepted != 3 || report.Count != 3 || len(report.RejectedList) != 2 || len(report.RejectedTokens) != 3 {
			t.Fatalf("%+v", report)
		}
		for i, line := range []int{2, 5} {
			if report.RejectedList[i].Line != line {
				t.Errorf("list: %+v", report.RejectedList[i])
			}
		}
		for i, line := range []int{2, 3, 5} { // a repetition, a bad line, an alias that is taken
			if report.RejectedTokens[i].Line != line || strings.Contains(report.RejectedTokens[i].Reason, "secret") {
				t.Errorf("tokens: %+v", report.RejectedTokens[i])
			}
		}
		p.wantPool("then", "L1 T1 work::T2")
		if p.get(p.tokens) != tokens {
			t.Error("the token file is not as it was given")
		}
		p.wantTidy("then")
	})
}

func TestWriteMerges(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p *place) {
		p.write("one::T1\nT2\n", nil)
		before := p.checksumOf("T1")
		id := p.create("three", "T3")

		if report := p.write("uno::T1\nT4\n", nil); report.Accepted != 1 || report.Updated != 1 || report.Deleted != 0 || report.Count != 4 {
			t.Errorf("%+v", report)
		}
		p.wantPool("without a list tokens are only added", "T2 T4 three::T3 uno::T1")
		if p.checksumOf("T1") != before {
			t.Error("the checksum of a known token has changed")
		}
		p.write("T1\n", nil)
		p.wantPool("a line without alias keeps it", "T2 T4 three::T3 uno::T1")

		// The list says more: aliases go, checksums change.
		sum := fresh()
		list := strings.Replace(p.read().List, "three::T3", "T3", 1) + "T5," + sum + "\n"
		p.write("", &list)
		p.wantPool("with a list", "T2 T3 T4 T5 uno::T1")
		if now, err := p.store.Token(t.Context(), id); err != nil || now.GetAlias() != "" {
			t.Errorf("%v, %v", now, err)
		}
		other := "T5," + fresh() + "\n"
		p.write("", new(strings.Replace(list, "T5,"+sum+"\n", other, 1)))
		if p.checksumOf("T5").DeviceID != other[11:75] {
			t.Error("the list's checksum is not taken")
		}
		if p.read().Tokens != "" {
			t.Error("the token file is not what was written")
		}
		p.wantTidy("at the end")
	})
}

// A write without a list leaves the list's file as it is, byte by byte: one that nobody has
// touched, and one that somebody has edited, which the next reload applies without
// deleting what it never had.
func TestWriteWithoutAListLeavesTheList(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p *place) {
		p.write("T1\n", nil)
		p.wantTidy("where there was no list")
		p.write("T1\nT2\n", new("L1,"+fresh()+"\n"))
		before := p.get(p.list)
		p.write("T1\nT2\nT3\n", nil)
		if got := p.get(p.list); got != before {
			t.Errorf("the list's file was written: %q, then %q", before, got)
		}
		p.reload()
		p.wantTidy("after a reload")

		edited := "# mine\n" + strings.Replace(p.get(p.list), "L1,", "#L1,", 1)
		p.put(p.list, edited)
		p.write("T1\nT2\nT3\nT4\n", nil)
		p.wantPool("the edited list is not applied", "L1 T1 T2 T3 T4")
		if got := p.get(p.list); got != edited {
			t.Errorf("the edited list was written over: %q", got)
		}
		p.reload()
		p.wantPool("after a reload", "T1 T2 T3 T4")
		p.wantTidy("after a reload")
	})
}

// A list that would be too long to be read again is not written; the pool is complete all
// the same, and the files go on.
func TestAListTooLongForItsFile(t *testing.T) {
	t.Parallel()
	p := newPlace(t, testredis.Mini(t))
	p.limit = 400 // two tokens
	p.write("T1\n", new("T2,"+fresh()+"\n"))
	before := p.get(p.list)
	for i := range 4 {
		p.create("", fmt.Sprintf("U%d", i))
	}
	if err := p.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.write("T1\nT3\n", nil)
	p.put(p.tokens, "T1\nT3\nT4\n")
	p.restart()
	p.wantPool("then", "T1 T2 T3 T4 U0 U1 U2 U3")
	if got := p.get(p.list); timeless(got) != timeless(before) {
		t.Errorf("the list's file has %q", got)
	}
}

func TestAliasesChangeHands(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p *place) {
		p.write("a::T1\nb::T2\nc::T3\nd::T4\n", nil)
		if report := p.write("b::T1\na::T2\nd::T3\ne::T4\nc::T5\n", nil); len(report.RejectedTokens) > 0 || report.Updated != 4 || report.Accepted != 1 {
			t.Errorf("%+v", report)
		}
		p.wantPool("then", "a::T2 b::T1 c::T5 d::T3 e::T4")
		p.create("mine", "T6")
		report := p.write("mine::T1\n", nil)
		if len(report.RejectedTokens) != 1 || report.RejectedTokens[0].Line != 1 || !strings.Contains(report.RejectedTokens[0].Reason, `"mine"`) {
			t.Errorf("%+v", report)
		}
		p.wantPool("a taken alias", "a::T2 b::T1 c::T5 d::T3 e::T4 mine::T6")
	})
}

// What the list had and lacks now is deleted; nothing else is.
func TestDeletion(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p *place) {
		ctx := t.Context()
		p.write("T1\n", new("A,"+fresh()+"\nB,"+fresh()+"\nC,"+fresh()+"\nD,"+fresh()+"\n"))
		unseen := p.create("", "U")
		lines := strings.SplitAfter(p.read().List, "\n") // A B C D U T1, in some order
		without := func(marked string, gone ...string) *string {
			var text strings.Builder
			for _, line := range lines {
				name, _, _ := strings.Cut(line, ",")
				switch {
				case strings.Contains(strings.Join(gone, " "), name) && name != "":
				case name == marked:
					text.WriteString("# " + line)
				default:
					text.WriteString(line)
				}
			}
			return new(text.String())
		}
		later := p.create("", "V") // after the last reading
		report := p.write("T1\n", without("B", "A"))
		if report.Deleted != 2 || report.Count != 5 {
			t.Errorf("%+v", report)
		}
		p.wantPool("a line that is gone, and a marked one", "C D T1 U V")

		// A token that the token file names stays.
		p.write("C\n", without("", "A", "B", "C", "T1"))
		p.wantPool("named in the token file", "C D U V")
		p.wantTidy("then")

		// A line with a mistake is no wish to delete.
		report = p.write("", new("C,mistake\nD\nX,"+fresh()+"\n"))
		p.wantPool("lines with mistakes", "C D V X")
		if report.Deleted != 1 || len(report.RejectedList) != 2 {
			t.Errorf("%+v", report)
		}
		for id, gone := range map[string]bool{unseen: true, later: false} {
			if _, err := p.store.Token(ctx, id); (err != nil) != gone {
				t.Errorf("%s: %v", id, err)
			}
		}
		if _, err := p.store.RestoreToken(ctx, unseen); err != nil {
			t.Errorf("it can't be undone: %v", err)
		}

		// Nothing at all: what is known to be listed goes.
		p.read()
		p.create("", "Z")
		if report := p.write("", nil); report.Deleted+report.Accepted+report.Updated != 0 {
			t.Errorf("%+v", report)
		}
		p.wantPool("empty, without a list", "C D U V X Z")
		p.write("", new(""))
		p.wantPool("empty, with an empty list", "Z")
		p.wantTidy("at the end")
	})
}

// Who shows a revision knows all that it covers, and nothing that came after.
func TestRevisions(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p *place) {
		ctx := t.Context()
		first := p.read()
		if again := p.read(); again.Revision != first.Revision || first.Revision == "" {
			t.Errorf("%q, then %q", first.Revision, again.Revision)
		}
		report, err := p.Write(ctx, "T1\nT2\n", nil, first.Revision)
		if err != nil || report.Revision == first.Revision || report.Revision != p.read().Revision {
			t.Fatalf("%+v, %v", report, err)
		}
		_, err = p.Write(ctx, "T3\n", new(""), first.Revision)
		wantReason(t, err, tokenstorev1.Reason_REASON_VERSION_CONFLICT)
		p.wantPool("after a conflict", "T1 T2")
		p.create("", "T4")
		_, err = p.Write(ctx, "", new(""), report.Revision)
		wantReason(t, err, tokenstorev1.Reason_REASON_VERSION_CONFLICT)
		p.put(p.tokens, "T1\nT2\n# more\n")
		_, err = p.Write(ctx, "", new(""), p.reload().Revision)
		if err != nil {
			t.Error(err)
		}
		p.wantPool("with the revision all of them are known", "")
	})
}

// Three callers read, add a line and write, again and again: no line is lost.
func TestConcurrentWritersLoseNothing(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p *place) {
		other := New(p.store, p.tokens, p.list, p.Files.log) // as another process has it
		var group sync.WaitGroup
		const writers, lines = 4, 6
		for w := range writers {
			group.Go(func() {
				files := []*Files{p.Files, other}[w%2]
				for i := range lines {
					for {
						before, err := files.Read(t.Context())
						if err != nil {
							t.Error(err)
							return
						}
						_, err = files.Write(t.Context(), before.Tokens+fmt.Sprintf("T-%d-%d\n", w, i), &before.List, before.Revision)
						if err == nil {
							break
						}
						if !rpcerr.Is(err, tokenstorev1.Reason_REASON_VERSION_CONFLICT) {
							t.Error(err)
							return
						}
					}
				}
			})
		}
		group.Wait()
		if got := p.read(); got.Count != writers*lines || strings.Count(got.Tokens, "\n") != writers*lines {
			t.Errorf("%d tokens, and the file\n%s", got.Count, got.Tokens)
		}
		p.wantTidy("at the end")
	})
}

func TestContentsThatAreRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t, testredis.Mini(t))
	p.write("T1\n", nil)
	p.limit = 1 << 20
	large := strings.Repeat("# a long file\n", p.limit/14+1)
	for name, c := range map[string]struct {
		tokens string
		list   *string
		says   string
	}{
		"UTF-8":              {"T1\nT2\xff\n", nil, "tokens: line 2 is not valid UTF-8"},
		"UTF-8 in the list":  {"", new("\xff"), "token_list: line 1 is not valid UTF-8"},
		"too large":          {large, nil, "tokens: more than 1 MiB"},
		"list too large":     {"T1", &large, "token_list: more than 1 MiB"},
		"no good line":       {"a::b::c\n", new("T1\nT2\nT3\n"), ".token line 1: "},
		"no good line, many": {"a::b::c\n", new("T1\nT2\nT3\n"), "and 1 more"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := p.Write(t.Context(), c.tokens, c.list, "")
			wantReason(t, err, tokenstorev1.Reason_REASON_INVALID_ARGUMENT)
			if !strings.Contains(fmt.Sprint(err), c.says) {
				t.Errorf("it says %v", err)
			}
			p.wantPool("then", "T1")
			if p.get(p.tokens) != "T1\n" {
				t.Error("the file has changed")
			}
		})
	}
}

// Lines of which the store takes a part at a time, as new ones, as known ones, and gone.
func TestAPoolOfAThousand(t *testing.T) {
	t.Parallel()
	p := newPlace(t, testredis.Start(t))
	p.patience = time.Hour // a machine with much to do takes minutes
	const many = 1000
	var tokens strings.Builder
	for i := range many {
		fmt.Fprintf(&tokens, "alias-%d::%s%d\n", i, strings.Repeat("secret", 60), i)
	}
	if report := p.write(tokens.String(), nil); report.Accepted != many || report.Count != many {
		t.Errorf("%d accepted, %d rejected", report.Accepted, len(report.RejectedTokens))
	}
	contents := p.read()
	if report := p.write(contents.Tokens, &contents.List); report.Updated != many || report.Deleted != 0 {
		t.Errorf("%d updated, %d deleted", report.Updated, report.Deleted)
	}
	renamed := strings.ReplaceAll(contents.Tokens, "alias-", "name-")
	if report := p.write(renamed, nil); report.Updated != many {
		t.Errorf("%d renamed", report.Updated)
	}
	if report := p.write("", new("")); report.Deleted != many {
		t.Errorf("%d deleted", report.Deleted)
	}
}
