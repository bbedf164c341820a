#include "quoted.h"
#  include /* between */ <angled/header.h> // after
%:inc\
lude "spliced.h"
#include_next <next.h>
#import "once.h"
#include HEADER(1)
#if __has_include("a.h") && !__has_include ( <b.h> ) || __has_embed("c.bin")
#embed "data.bin" limit(4)
#endif
#if 0
don't
#endif
static const char *text = "#include \"no.h\" \
// ";
static const char *raw = u8R"x(
#include "no.h"
)x";
int separated = 1'000'000; /* '
#include "no.h" */
