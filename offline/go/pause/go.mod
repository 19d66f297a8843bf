module coursehub.local/offline/pause

go 1.24.0
