package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/ondemand"
)

//go:embed assets
var assetFiles embed.FS

// assets are the stylesheet and the scripts. They share one revision, made of
// all their contents, that is a part of their addresses: so modules import each
// other by plain names, and browsers may keep what they have for ever.
type assets struct {
	revision string
	files    map[string][]byte
	// small are the files in gzip, where that is worth it.
	small map[string][]byte
}

// loadedAssets are there while somebody asks for pages.
var loadedAssets = ondemand.New(kept, loadAssets)

func loadAssets() *assets {
	a := &assets{files: map[string][]byte{}, small: map[string][]byte{}}
	err := fs.WalkDir(assetFiles, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		a.files[strings.TrimPrefix(name, "assets/")], err = assetFiles.ReadFile(name)
		return err
	})
	if err != nil {
		panic(err) // they are embedded
	}
	for _, lang := range languages {
		a.files[textsModule(lang)] = loadTexts(lang).forScripts()
	}
	a.files[kitStyles] = append(held(a.files["site.css"]), a.files[kitStyles]...)
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(a.files)) {
		_, _ = sum.Write([]byte(name + "\x00"))
		_, _ = sum.Write(a.files[name])
		if len(a.files[name]) >= leastCompressed {
			a.small[name] = compressed(a.files[name])
		}
	}
	a.revision = hex.EncodeToString(sum.Sum(nil))[:16]
	return a
}

// kitStyles are those of the page of all components: the site's own, and some of its own.
const kitStyles = "kit.css"

// held returns styles in which an element can say by data-state that it is pointed at or has the
// focus: so a page can show what it looks like then.
func held(styles []byte) []byte {
	return []byte(strings.NewReplacer(
		":hover", `:is(:hover, [data-state="hover"])`, ":focus-visible", `:is(:focus-visible, [data-state="focus"])`,
	).Replace(string(styles)))
}

func textsModule(lang language) string { return "texts." + string(lang) + ".js" }

// url is where the pages find an asset.
func (a *assets) url(name string) string { return "/admin/assets/" + a.revision + "/" + name }

// contentTypes are those of our files; a browser takes no script of another one.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// GET /favicon.ico, which browsers ask for at pages that are not ours to write.
func (s *Site) icon(c *gin.Context) {
	header := c.Writer.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Type", contentTypes[".svg"])
	header.Set("Cache-Control", "public, max-age=86400")
	setWriteDeadline(c)
	http.ServeContent(c.Writer, c.Request, "mark.svg", time.Time{}, bytes.NewReader(loadedAssets.Get().files["mark.svg"]))
}

// GET /admin/assets/{revision}/{name}
func (s *Site) asset(c *gin.Context) {
	name := strings.TrimPrefix(c.Param("name"), "/")
	assets := loadedAssets.Get()
	content, known := assets.files[name]
	if !known {
		_ = c.Error(notFound("there is no asset %q", name))
		return
	}
	header := c.Writer.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Type", contentTypes[path.Ext(name)])
	if c.Param("revision") == assets.revision {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else { // of a page that a replica of another version has rendered
		header.Set("Cache-Control", "no-cache")
	}
	header.Set("Vary", "Accept-Encoding")
	if small := assets.small[name]; small != nil && takesGzip(c.Request) {
		header.Set("Content-Encoding", "gzip")
		header.Set("Content-Length", strconv.Itoa(len(small)))
		content = small
	}
	setWriteDeadline(c)
	http.ServeContent(c.Writer, c.Request, name, time.Time{}, bytes.NewReader(content))
}
