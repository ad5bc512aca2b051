#include "http/mime.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define MIME_MAP(X)                                   \
    X("avif", "image/avif")                           \
    X("bin", "application/octet-stream")              \
    X("bz2", "application/x-bzip2")                   \
    X("c", "text/plain; charset=utf-8")               \
    X("conf", "text/plain; charset=utf-8")            \
    X("css", "text/css; charset=utf-8")               \
    X("csv", "text/csv; charset=utf-8")               \
    X("deb", "application/vnd.debian.binary-package") \
    X("flac", "audio/flac")                           \
    X("gif", "image/gif")                             \
    X("gz", "application/gzip")                       \
    X("h", "text/plain; charset=utf-8")               \
    X("htm", "text/html; charset=utf-8")              \
    X("html", "text/html; charset=utf-8")             \
    X("ico", "image/x-icon")                          \
    X("ini", "text/plain; charset=utf-8")             \
    X("iso", "application/x-iso9660-image")           \
    X("jpeg", "image/jpeg")                           \
    X("jpg", "image/jpeg")                            \
    X("js", "text/javascript; charset=utf-8")         \
    X("json", "application/json")                     \
    X("log", "text/plain; charset=utf-8")             \
    X("m4a", "audio/mp4")                             \
    X("md", "text/markdown; charset=utf-8")           \
    X("mjs", "text/javascript; charset=utf-8")        \
    X("mkv", "video/x-matroska")                      \
    X("mp3", "audio/mpeg")                            \
    X("mp4", "video/mp4")                             \
    X("ogg", "audio/ogg")                             \
    X("otf", "font/otf")                              \
    X("pdf", "application/pdf")                       \
    X("png", "image/png")                             \
    X("svg", "image/svg+xml")                         \
    X("tar", "application/x-tar")                     \
    X("toml", "text/plain; charset=utf-8")            \
    X("ttf", "font/ttf")                              \
    X("txt", "text/plain; charset=utf-8")             \
    X("wasm", "application/wasm")                     \
    X("wav", "audio/wav")                             \
    X("webm", "video/webm")                           \
    X("webp", "image/webp")                           \
    X("woff2", "font/woff2")                          \
    X("xml", "application/xml")                       \
    X("xz", "application/x-xz")                       \
    X("yaml", "text/plain; charset=utf-8")            \
    X("yml", "text/plain; charset=utf-8")             \
    X("zip", "application/zip")                       \
    X("zst", "application/zstd")

const char *cv_mime_type(const char *name)
{
    static const struct {
        const char *extension, *type;
    } types[] = {
#define X(extension, type) {extension, type},
        MIME_MAP(X)
#undef X
    };
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++)
        if (strcasecmp(dot + 1, types[i].extension) == 0)
            return types[i].type;
    return "application/octet-stream";
}
