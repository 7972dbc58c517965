package imagefetch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"carousel.internal/gateway/internal/imagefetch"
	"carousel.internal/gateway/internal/imagefile"
	"carousel.internal/proto/freeport"
	"carousel.internal/proto/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var pngFile = func() []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewPaletted(image.Rect(0, 0, 3, 2), color.Palette{color.Black})); err != nil {
		panic(err)
	}
	return b.Bytes()
}()

var movie = func() []byte {
	frame := image.NewPaletted(image.Rect(0, 0, 1, 1), color.Palette{color.Black, color.White})
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{frame, frame}, Delay: []int{1, 1}}); err != nil {
		panic(err)
	}
	return b.Bytes()
}()

// host serves on loopback, which the fetchers under test are allowed to reach.
func host(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func allowAll(netip.Addr) bool { return true }

func serves(file []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(file) }
}

// one fetches one URL.
func one(t *testing.T, options imagefetch.Options, url string) ([]byte, error) {
	t.Helper()
	files, err := imagefetch.New(options).Fetch(t.Context(), []string{url})
	if err != nil {
		return nil, err
	}
	return files[0], nil
}

func TestFetch(t *testing.T) {
	t.Parallel()
	var seen *http.Request
	url := host(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r
		w.Header().Set("Content-Type", "text/plain") // what a host says does not matter
		_, _ = w.Write(pngFile)
	})
	file, err := one(t, imagefetch.Options{Allow: allowAll}, url+"/a.png?size=1")
	if err != nil || !bytes.Equal(file, pngFile) {
		t.Fatalf("%d bytes, %v", len(file), err)
	}
	for _, name := range []string{"Authorization", "Cookie", "Referer", "Accept-Encoding"} {
		if value := seen.Header.Get(name); value != "" {
			t.Errorf("%s: %s was sent", name, value)
		}
	}
	if seen.URL.String() != "/a.png?size=1" || seen.Method != http.MethodGet {
		t.Errorf("%s %s", seen.Method, seen.URL)
	}
}

func TestRefusedByDefault(t *testing.T) {
	t.Parallel()
	url := host(t, func(http.ResponseWriter, *http.Request) { t.Error("it was connected to") })
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	for _, name := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"} {
		_, err := one(t, imagefetch.Options{}, "http://"+net.JoinHostPort(strings.Trim(name, "[]"), port)+"/")
		if err == nil || name != "2130706433" && !errors.Is(err, imagefetch.ErrAddress) { // that may be no name at all
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRedirectToARefusedAddress(t *testing.T) {
	t.Parallel()
	secret := host(t, func(http.ResponseWriter, *http.Request) { t.Error("it was connected to") })
	secretPort := netip.MustParseAddrPort(strings.TrimPrefix(secret, "http://")).Port()
	url := host(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, fmt.Sprintf("http://127.0.0.2:%d/", secretPort), http.StatusFound)
	})
	onlyFirst := func(addr netip.Addr) bool { return addr == netip.MustParseAddr("127.0.0.1") }
	if _, err := one(t, imagefetch.Options{Allow: onlyFirst}, url); !errors.Is(err, imagefetch.ErrAddress) {
		t.Errorf("%v", err)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	var url string
	url = host(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Referer") != "" {
			t.Error("a redirect tells where it came from")
		}
		switch left := strings.TrimPrefix(r.URL.Path, "/"); left {
		case "0":
			_, _ = w.Write(pngFile)
		case "user":
			http.Redirect(w, r, strings.Replace(url, "://", "://user:word@", 1)+"/0", http.StatusFound)
		case "file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		default:
			http.Redirect(w, r, fmt.Sprintf("/%d", left[0]-'1'), http.StatusFound)
		}
	})
	for path, want := range map[string]error{
		"/0": nil, "/3": nil, "/4": imagefetch.ErrRedirects, "/user": imagefetch.ErrURL, "/file": imagefetch.ErrURL,
	} {
		if _, err := one(t, imagefetch.Options{Allow: allowAll}, url+path); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
}

func TestBadURLs(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "example.com/a.png", "//example.com/a.png", "/a.png", "ftp://example.com/a.png", "file:///etc/passwd", "http://",
		"https:///a.png", "http://user@example.com/", "http://user:word@example.com/", "http://exa mple.com", "http://[::1", "gopher://x/", "http:a.png",
	} {
		if _, err := one(t, imagefetch.Options{}, url); !errors.Is(err, imagefetch.ErrURL) {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestBadAnswers(t *testing.T) {
	t.Parallel()
	big := append(bytes.Clone(pngFile), make([]byte, 4<<10)...)
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		reason  string
	}{
		"too large, with a length": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000000000000")
			w.WriteHeader(http.StatusOK)
		}, "the image is larger than 2 KiB"},
		"too large, without a length": {func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write(big)
		}, "the image is larger than 2 KiB"},
		"cut, with a length": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write(pngFile)
		}, imagefetch.ErrCut.Error()},
		"cut, without a length": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(pngFile)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, imagefetch.ErrCut.Error()},
		"a page":       {serves([]byte("<html>Please log in</html>")), imagefile.ErrNoImage.Error()},
		"a movie":      {serves(movie), imagefile.ErrAnimated.Error()},
		"half a file":  {serves(pngFile[:12]), imagefile.ErrCutOff.Error()},
		"nothing":      {serves(nil), imagefile.ErrEmpty.Error()},
		"not there":    {http.NotFound, "the image could not be fetched: its host answers HTTP 404"},
		"not modified": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }, "the image could not be fetched: its host answers HTTP 304"},
		"compressed": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0})
		}, imagefile.ErrNoImage.Error()},
		"no HTTP": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "SSH-2.0-secret banner\r\n")
			_ = conn.Close()
		}, imagefetch.ErrFetch.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := one(t, imagefetch.Options{Allow: allowAll, MaxBytes: 2 << 10}, host(t, test.handler)+"/?token=secret")
			failure, ok := errors.AsType[*imagefetch.Error](err)
			if !ok || failure.Error() != test.reason {
				t.Fatalf("%v, want %s", err, test.reason)
			}
			if failure.Err != nil && strings.Contains(failure.Err.Error(), "token=") {
				t.Errorf("the cause repeats the URL: %v", failure.Err)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	closed := "http://" + freeport.MustAddr(t)
	if _, err := one(t, imagefetch.Options{Allow: allowAll}, closed); !errors.Is(err, imagefetch.ErrFetch) {
		t.Errorf("%v", err)
	}
}

// slow answers the beginning of an image and then nothing, until the test is over.
func slow(t *testing.T, head []byte) string {
	over := make(chan struct{})
	url := host(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(head)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-over:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(over) })
	return url
}

func TestSlowHost(t *testing.T) {
	t.Parallel()
	if _, err := one(t, imagefetch.Options{Allow: allowAll, Timeout: 50 * time.Millisecond}, slow(t, pngFile[:20])); !errors.Is(err, imagefetch.ErrTimeout) {
		t.Errorf("%v", err)
	}
}

func TestWhoeverHangsUpStopsTheFetch(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	began := make(chan struct{})
	url := host(t, func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	})
	gone := errors.New("gone")
	go func() {
		<-began
		cancel(gone)
	}()
	if _, err := imagefetch.New(imagefetch.Options{Allow: allowAll}).Fetch(ctx, []string{url}); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
}

func TestSeveralAreFetchedSideBySideWithinBounds(t *testing.T) {
	t.Parallel()
	var now, peak atomic.Int32
	var together sync.WaitGroup // of two, which wait for each other
	together.Add(2)
	url := host(t, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		for old := peak.Load(); n > old && !peak.CompareAndSwap(old, n); old = peak.Load() {
		}
		if r.URL.Path == "/0" || r.URL.Path == "/1" {
			together.Done()
			together.Wait()
		}
		now.Add(-1)
		_, _ = w.Write(append(bytes.Clone(pngFile), r.URL.Path...))
	})
	urls := make([]string, 6)
	for i := range urls {
		urls[i] = fmt.Sprintf("%s/%d", url, i)
	}
	// Two at once of one request, and of all.
	for _, options := range []imagefetch.Options{{PerRequest: 2}, {Concurrency: 2}} {
		options.Allow = allowAll
		peak.Store(0)
		together = sync.WaitGroup{}
		together.Add(2)
		files, err := imagefetch.New(options).Fetch(t.Context(), urls)
		if err != nil {
			t.Fatal(err)
		}
		for i, file := range files {
			if !bytes.HasSuffix(file, fmt.Appendf(nil, "/%d", i)) {
				t.Errorf("file %d is another's", i)
			}
		}
		if peak.Load() != 2 {
			t.Errorf("%d at once", peak.Load())
		}
	}
}

func TestTheFirstBadOneEndsAll(t *testing.T) {
	t.Parallel()
	good, bad := slow(t, nil), host(t, http.NotFound)
	_, err := imagefetch.New(imagefetch.Options{Allow: allowAll}).Fetch(t.Context(), []string{good, good, bad})
	failure, ok := errors.AsType[*imagefetch.Error](err)
	if !ok || failure.Index != 2 {
		t.Errorf("%+v", err)
	}
}

func TestTooManyOrTooMuch(t *testing.T) {
	t.Parallel()
	url := host(t, serves(pngFile))
	fetcher := imagefetch.New(imagefetch.Options{Allow: allowAll, MaxImages: 2, MaxTotal: int64(len(pngFile)) + 1})
	if _, err := fetcher.Fetch(t.Context(), []string{url, url, url}); err == nil || !strings.Contains(err.Error(), "2 images by URL, not 3") {
		t.Errorf("%v", err)
	}
	if _, err := fetcher.Fetch(t.Context(), []string{url, url}); err == nil || !strings.Contains(err.Error(), "together") {
		t.Errorf("%v", err)
	}
	if _, err := fetcher.Fetch(t.Context(), []string{url}); err != nil {
		t.Error(err)
	}
}
