package web

import (
	"context"

	"github.com/gin-gonic/gin"
)

var tokenFilesPage = view{"tokenfiles", "tokenfiles", (*Site).loadTokenFiles}

// The contents of the token files are secret: the page's script asks for them,
// and only when it is told to.
func (s *Site) loadTokenFiles(context.Context, *gin.Context) (any, error) {
	return struct{}{}, nil
}
