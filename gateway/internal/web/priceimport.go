package web

import (
	"context"
	"encoding/base64"
	"io"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/pricing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var priceImportPage = view{"priceimport", "prices", (*Site).loadPriceImport}

const (
	// mostChanges is how many rows of each kind the preview of an import has.
	mostChanges = 50
	// maxApplied bounds the form that applies an import, in bytes: it has all prices, of 1 MiB
	// at most, in base64.
	maxApplied = 2 << 20
)

// priceImport is the preview of an import. What it shows is applied as it is.
type priceImport struct {
	// Source is the format that was read; empty: nothing was yet.
	Source string
	pricing.Change
	Added, Changed, Removed priceTable
	// Skipped are the first of the rows that were left out, MoreSkipped counts the others.
	Skipped     []pricing.Skipped
	MoreSkipped int
	// Rounded and Tiered count prices of which that is to be said.
	Rounded, Tiered int
	// All is what the form sends that applies the import.
	All string
}

// Formats are the files that can be imported.
func (priceImport) Formats() []string { return pricing.Formats() }

// Parts are the names of the columns with amounts.
func (priceImport) Parts() []string { return priceParts }

// Empty tells whether the import would change nothing.
func (p priceImport) Empty() bool { return p.Change.Added+p.Change.Changed+p.Change.Removed == 0 }

func (s *Site) loadPriceImport(context.Context, *gin.Context) (any, error) {
	return priceImport{}, nil
}

// POST /admin/prices/import: `format`, `file` and `csrf`. It shows what would change.
func (s *Site) previewPrices(c *gin.Context) {
	session, ok := s.permittedForm(c, s.BodyLimit)
	if !ok {
		return
	}
	ctx, cancel := s.Call(c)
	defer cancel()
	preview, err := s.previewOf(ctx, c)
	s.showForm(c, priceImportPage, session, preview, err)
}

func (s *Site) previewOf(ctx context.Context, c *gin.Context) (priceImport, error) {
	file, err := uploaded(c)
	if err != nil || len(file) == 0 {
		return priceImport{}, chat.Errorf(chat.InvalidRequest, "%s", s.texts(c.Request)["problem.price_file"])
	}
	source := c.PostForm("format")
	read, err := pricing.Read(source, file)
	if err != nil {
		return priceImport{}, chat.Errorf(chat.InvalidRequest, "%v", err)
	}
	before, version, err := s.prices(ctx)
	if err != nil {
		return priceImport{}, err
	}
	after, change := pricing.Merge(before, read.Prices, source)
	preview := priceImport{Source: source, Change: change, Rounded: len(read.Rounded), Tiered: len(read.Tiered)}
	preview.Skipped = read.Skipped[:min(len(read.Skipped), mostChanges)]
	preview.MoreSkipped = len(read.Skipped) - len(preview.Skipped)
	preview.Added, preview.Changed = differences(before, after)
	preview.Removed, _ = differences(after, before)
	all, err := proto.Marshal(&tokenstorev1.PutPricesRequest{Prices: pricing.ToStore(after), ExpectedVersion: version})
	preview.All = base64.StdEncoding.EncodeToString(all)
	return preview, err
}

// uploaded is the file that was sent with a form.
func uploaded(c *gin.Context) ([]byte, error) {
	header, err := c.FormFile("file")
	if err != nil {
		return nil, err
	}
	file, err := header.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	return io.ReadAll(file)
}

// differences are the prices that are only in after, and those that are others there.
func differences(before, after []pricing.Price) (added, changed priceTable) {
	type place struct{ match, upstream string }
	known := map[place]pricing.Price{}
	for _, price := range before {
		known[place{price.Match, price.Upstream}] = price
	}
	note := func(table *priceTable, price pricing.Price) {
		if len(table.Rows) < mostChanges {
			table.Rows = append(table.Rows, priceRow{price})
		} else {
			table.More++
		}
	}
	for _, price := range after {
		former, there := known[place{price.Match, price.Upstream}]
		switch {
		case !there:
			note(&added, price)
		case former != price:
			note(&changed, price)
		}
	}
	return added, changed
}

// POST /admin/prices/apply: `all`, `source` and `csrf`.
func (s *Site) applyPrices(c *gin.Context) {
	if _, ok := s.permittedForm(c, maxApplied); !ok {
		return
	}
	ctx, cancel := s.Call(c)
	defer cancel()
	wanted := &tokenstorev1.PutPricesRequest{}
	raw, err := base64.StdEncoding.DecodeString(c.PostForm("all"))
	if err == nil {
		err = proto.Unmarshal(raw, wanted)
	}
	source := c.PostForm("source")
	if err != nil || !slices.Contains(pricing.Formats(), source) {
		s.fail(c, chat.Errorf(chat.InvalidRequest, "%s", s.texts(c.Request)["problem.price_file"]))
		return
	}
	before, _, err := s.prices(ctx)
	var undo *tokenstorev1.AuditUndo
	if err == nil {
		undo, err = s.putPrices(ctx, wanted.GetExpectedVersion(), before, pricing.FromStore(wanted.GetPrices()))
	}
	if err != nil {
		s.fail(c, s.pricesProblem(c, err))
		return
	}
	s.NoteUndoable(c, undo, "prices imported", "source", source, "count", strconv.Itoa(len(wanted.GetPrices())))
	seeOther(c, pricesAddress+"?imported="+source)
}
