package e2e_test

import (
	"bytes"
	"compress/gzip"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
)

// The looks of all components are compared with those that are kept. What is kept are no pixels,
// which differ with a machine's fonts and browser, but the page and its styles as they were: this
// machine's browser draws both, and each pixel has to be the same.
//
//	go test ./e2e -run TestKitLooksAsKept -make-pictures
//
// keeps the present looks instead.
var makePictures = flag.Bool("make-pictures", false, "keep the present looks of all components in testdata/kit")

// specimens are the elements that are compared.
const specimens = ".specimen"

func TestKitLooksAsKept(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	session := sessionOf(login(t, s.Gateways[0], "/admin/kit"))
	for _, language := range []string{"en", "zh"} {
		t.Run(language, func(t *testing.T) {
			now := stillKit(t, s.Gateways[0], session, language)
			if *makePictures {
				keepKit(t, language, now)
				return
			}
			kept := keptKit(t, language)
			for _, look := range looks {
				t.Run(look.Name(), func(t *testing.T) { newGallery(t, kept, now).compare(t, look, language) })
			}
		})
	}
}

// All components, in both languages: nothing that keeps people from using them. With
// SCREENSHOTS=<folder> the page is also drawn.
func TestKitIsAccessible(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	tab := login(t, s.Gateways[0], "/admin/kit")
	for _, language := range []string{"en", "zh"} {
		speak(tab, s.Gateways[0], "/admin/kit", language)
		tab.Until("times are written for the reader", "Array.from(document.querySelectorAll('main time')).every((e) => e.title !== '' || 'tick' in e.dataset) && !document.querySelector('.axis').textContent.includes('UTC')")
		inEveryLook(t, tab, "kit-"+language)
	}
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
}

// The comparison sees what is to be seen: one colour, one length, one part that is gone. What has
// not been touched is the same to the pixel, but for what a part that has become higher moves.
func TestKitDifferencesAreFound(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	now := stillKit(t, s.Gateways[0], sessionOf(login(t, s.Gateways[0], "/admin/kit")), "en")
	for _, c := range []struct{ name, from, to, differs, same string }{
		{"a colour", "--ready: light-dark(#17683c,", "--ready: light-dark(#17693c,", "kit-pills", "kit-dialog"},
		{"a padding", ".chips li {", ".chips li { padding-bottom: 1px;", "kit-chips", "kit-toasts"},
		{"what is pointed at", `.danger:is(:hover, [data-state="hover"]) {`, ".nothing {", "kit-buttons", "kit-pills"},
		{"a part", "</dialog>", "</dialog><hr>", "kit-dialog", "kit-buttons"},
	} {
		t.Run(c.name, func(t *testing.T) {
			changed := strings.Replace(now, c.from, c.to, 1)
			if changed == now {
				t.Fatalf("%q is not there", c.from)
			}
			kept, broken := newGallery(t, now, changed).pictures(looks[0])
			differ := differences(t, kept, broken)
			if !slices.Contains(differ, c.differs) || slices.Contains(differ, c.same) {
				t.Errorf("%q differ", differ)
			}
		})
	}
}

// stillKit is the page of all components with its styles, and without its scripts and what differs
// from one start to the next.
func stillKit(t *testing.T, gateway *stack.Gateway, session, language string) string {
	t.Helper()
	get := func(path string) string {
		answer := send(t, gateway, http.MethodGet, path, "", "", map[string]string{"Cookie": session + "; carousel_language=" + language})
		if answer.status != http.StatusOK {
			t.Fatalf("%s: %d", path, answer.status)
		}
		return string(answer.body)
	}
	page := get("/admin/kit")
	styles := regexp.MustCompile(`href="(/admin/assets/[^"]*/kit\.css)"`).FindStringSubmatch(page)
	if styles == nil {
		t.Fatal("the page has no styles")
	}
	for _, gone := range []string{
		`(?s)<script.*?</script>`, `<link [^>]*>`, `<meta name="csrf-token"[^>]*>`, ` data-texts="[^"]*"`,
		`(?s)<a class="skip".*?</a>`, `(?s)<header class="side">.*?</header>`, `(?s)<footer.*</footer>`, `(?s)<template.*?</template>`,
	} {
		page = regexp.MustCompile(gone).ReplaceAllString(page, "")
	}
	return strings.Replace(page, "</head>", "<style>"+get(styles[1])+"</style></head>", 1)
}

func kitFile(language string) string { return filepath.Join("testdata", "kit", language+".html.gz") }

func keepKit(t *testing.T, language, page string) {
	t.Helper()
	var packed bytes.Buffer
	writer, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is a good one
	_, _ = io.WriteString(writer, page)
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(kitFile(language)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(kitFile(language), packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func keptKit(t *testing.T, language string) string {
	t.Helper()
	packed, err := os.Open(kitFile(language))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = packed.Close() }()
	reader, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// gallery has two pages side by side, in one browser.
type gallery struct {
	tab       *browser.Tab
	kept, now string
}

func newGallery(t *testing.T, kept, now string) gallery {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		switch r.URL.Path {
		case "/kept":
			_, _ = io.WriteString(w, kept)
		case "/now":
			_, _ = io.WriteString(w, now)
		}
	}))
	t.Cleanup(server.Close)
	return gallery{browser.Open(t, server.URL), server.URL + "/kept", server.URL + "/now"}
}

// pictures draws both pages.
func (g gallery) pictures(look browser.Look) (kept, now *browser.Picture) {
	g.tab.Go(g.kept)
	g.tab.Use(look)
	kept = g.tab.Picture(specimens)
	g.tab.Go(g.now)
	return kept, g.tab.Picture(specimens)
}

// takes is how often two pages are drawn until a difference counts: one that is not there each time
// is the browser's.
const takes = 3

// compare finds no difference in a look. With SCREENSHOTS=<folder> a specimen that differs is drawn
// as it was and as it is.
func (g gallery) compare(t *testing.T, look browser.Look, language string) {
	t.Helper()
	kept, now := g.pictures(look)
	differ := differences(t, kept, now)
	for range takes - 1 {
		if len(differ) == 0 {
			return
		}
		kept, now = g.pictures(look)
		again := differences(t, kept, now)
		differ = slices.DeleteFunc(differ, func(id string) bool { return !slices.Contains(again, id) })
	}
	folder := os.Getenv("SCREENSHOTS")
	for _, id := range differ {
		t.Errorf("%s, %s: %s looks otherwise than it did; SCREENSHOTS=<folder> draws both, and make pictures keeps what there is now", look.Name(), language, id)
		if folder == "" {
			continue
		}
		for name, picture := range map[string]*browser.Picture{"was": kept, "is": now} {
			if err := picture.Save(id, filepath.Join(folder, id+"-"+language+"-"+look.Name()+"-"+name+".png")); err != nil {
				t.Error(err)
			}
		}
	}
}

func differences(t *testing.T, kept, now *browser.Picture) []string {
	t.Helper()
	differ, err := kept.Differences(now)
	if err != nil {
		t.Fatal(err)
	}
	return differ
}
