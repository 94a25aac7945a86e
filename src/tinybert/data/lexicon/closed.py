"""Closed classes: the English words of which no new ones are coined, by the tag they mostly have.

Where a word belongs to several classes, the first that lists it counts: `that` is a determiner, not a conjunction.
"""

from typing import Final

_BY_TAG: Final = {
    "AUX": """
        am are be been being is was were 'm 're 's
        did do does doing done had has have having 'd 've
        can cannot could may might must ought shall should will would 'll
        ain't aren't can't couldn't didn't doesn't don't hadn't hasn't haven't isn't mightn't mustn't needn't
        shan't shouldn't wasn't weren't won't wouldn't
        """,
    "DET": """
        a all an another any both each either every few many more most much neither no other own same several some such
        that the these this those which whose
        """,
    "PRON": """
        he he'd he'll he's her hers herself him himself his i i'd i'll i'm i've it it'd it'll it's its itself let's me
        mine my myself one's oneself our ours ourselves she she'd she'll she's that'll that's their theirs them
        themselves there's they they'd they'll they're they've us we we'd we'll we're we've what what's who who's whom
        whatever whoever whichever you you'd you'll you're you've your yours yourself yourselves
        anybody anyone anything everybody everyone everything nobody none nothing somebody someone something others
        """,
    "ADP": """
        about above across after against along amid among around as at before behind below beneath beside besides
        between beyond by despite down during except for from in inside into near of off on onto out outside over
        per since through throughout till to toward towards under until up upon via with within without
        """,
    "CONJ": "although and because but if lest nor or so than though unless whereas whether while yet",
    "PART": "not n't 't",
    "ADV": """
        again ago almost also always even ever further here here's how however just maybe never now often once only
        perhaps quite rather still then there therefore thus too very when where why
        """,
    "NUM": """
        zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
        eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion
        """,
}
_REST_OF_CONTRACTIONS: Final = "d ll m re s t ve"  # what is left of don't where its words are split at the mark

CLOSED: Final = {word: tag for tag, words in reversed(_BY_TAG.items()) for word in words.split()}
STOP_WORDS: Final = frozenset(word for word, tag in CLOSED.items() if tag != "NUM") | set(_REST_OF_CONTRACTIONS.split())
