"""The languages that keyword search knows: their names, stemmers and stop words.

Stems are Snowball's (the PyStemmer package). Stop words are ours: articles, pronouns, prepositions, conjunctions and
auxiliary verbs, nothing that has a meaning of its own. The lists of the packages on PyPI change from release to release
and hold words such as "10", "system" or "important", and a list that changes makes every stored term wrong.
"""

from __future__ import annotations

import difflib
import functools
from dataclasses import dataclass
from typing import Final

from vpa.base.errors import ConfigurationError
from vpa.base.showing import shown

# No stemming, no stop words: for codes, names, or texts in many languages.
NONE: Final = "none"

_STOP_WORDS: Final[dict[str, str]] = {
    "arabic": "في من إلى على عن مع هذا هذه ذلك تلك التي الذي الذين ما لا لم لن إن أن كان كانت يكون هو هي هم هن "
    "نحن أنا أنت و أو ثم قد كل بعد قبل بين عند حتى إذا كما ليس هل أي غير منذ لكن",
    "catalan": "a al als amb aquest aquesta aquests aquestes aquell aquella com d de del dels el ella ells els em "
    "en ens era es et fou ha han hi ho i l la les li lo m més n ni no o on per però perquè pel pels que "
    "què qui quan s se ser seu seva seus seves si sobre són t també té tenen un una unes uns va van "
    "vaig és",
    "czech": "a aby ale ani aniž ano asi by byl byla byli bylo být co což další do dnes ho i já jak jako je jeho "
    "její jejich jen ještě ji jsem jsi jsme jsou k kde když která které který ma mezi mi mu můj na nad "
    "nebo než o od on ona oni ono po pod podle pokud pro proč protože před při s se si své svůj ta tak "
    "také tato tedy ten tento ti to toto tu ty u v ve vám vás však z za ze že",
    "danish": "af at den denne der deres det dette dig din disse du eller en er et for fra ham han hans har havde "
    "hen hende hendes her hun hvad hvem hvilken hvis hvor hvordan i ikke jeg kan man med men mig min "
    "mod må ned nogle nu når og også om op os over på sig sin skal skulle som til ud under var ved vi "
    "vil ville været blev blive bliver",
    "dutch": "aan al als bij dan dat de der deze die dit doch door een en er had haar heb hebben heeft hem het "
    "hier hij hoe hun ik in is je kan kon kunnen maar me met mij mijn naar niet nog nu of om omdat "
    "onder ons onze ook op over te tegen toen tot u uit uw van voor waar wat was we werd wezen wie wil "
    "worden wordt zal ze zich zij zijn zo zou",
    "english": "a an the and or but nor so if then than as of at by for with about between into through during to "
    "from here there when where why how all any both each other some such only too can will just should "
    "i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her "
    "hers herself it its itself they them their theirs themselves what which who whom whose this that "
    "these those am is are was were be been being have has had having do does did doing would could "
    "ought until while because in on",
    "finnish": "ei eivät en et että he hän hänen häntä ja jo jolla jonka jos jossa joka jota jotka joten kanssa "
    "kuin kuka kun me mikä mitä missä miten mukaan mutta myös ne niin nyt nämä ole olen olet oli olivat "
    "olla on ovat sekä se sen siitä siinä sitä tai te tämä tämän tässä tätä vaan vai vain voi",
    "french": "a à ai ainsi après au aux avec c ce ces cet cette chez comme d dans de des donc dont du elle elles "
    "en entre est et étaient était été être eu eux il ils j je l la là le les leur leurs lui m ma mais "
    "me même mes moi mon n ne nos notre nous on ont or ou où par pas pour qu quand que quel quelle "
    "quelles quels qui quoi s sa sans se ses si son sont sous sur t ta te tes toi ton tu un une vers "
    "vos votre vous y",
    "german": "aber als also am an auch auf aus bei beim bin bis bist da damit dann das dass daß dein deine dem "
    "den denn der des dich die dies diese diesem diesen dieser dieses dir doch dort du durch ein eine "
    "einem einen einer eines er es euch euer für gegen gewesen hab habe haben hat hatte hatten hier ich "
    "ihm ihn ihnen ihr ihre ihrem ihren ihrer im in ist ja jede jedem jeden jeder jedes jene kann kein "
    "keine können man mein meine mich mir mit muss nach nicht noch nun nur ob oder ohne sehr sein seine "
    "seinem seinen seiner sich sie sind so solche soll sondern sonst über um und uns unser unter vom "
    "von vor war waren warum was weil welche welchem welchen welcher welches wenn wer werde werden wie "
    "wieder wir wird wirst wo wurde wurden würde zu zum zur zwischen",
    "greek": "ο η το οι τα του της των τον την τους τις ένας μια ένα και ή αλλά να θα που πως ότι όταν αν για "
    "από με σε στο στη στην στον στα στις στους προς κατά μετά είναι ήταν είχε έχει έχουν δεν μη μην "
    "αυτό αυτή αυτός αυτά αυτές εγώ εσύ εμείς εσείς μου σου μας σας τι ποιος ποια ποιο πού όπως ως",
    "hindi": "का के की को में से पर ने है हैं था थे थी थीं और या यह ये वह वे कि जो तो ही भी एक इस उस इन उन मैं "
    "हम तुम आप अपना अपने अपनी हो होता होती होते हुआ हुई हुए कर करना करने किया गया गई गए लिए साथ तक जब "
    "तब कब क्या क्यों कैसे कहाँ कौन नहीं न मेरा मेरे उसका उसके इसका इसके",
    "hungarian": "a az és vagy hogy nem is egy ez azt ezt de ha csak meg még már mint mert van volt vannak lesz "
    "lehet ki mi te ő ők én mely amely ami aki amelyek akik ahol amikor hol mikor miért hogyan ezek "
    "azok ennek annak ebben abban után előtt alatt között által való kell pedig így úgy sem",
    "indonesian": "ada adalah akan aku anda antara apa apakah atau bagaimana bagi bahwa bisa dalam dan dapat dari "
    "dengan di dia hanya harus ia ini itu jika juga kami kamu karena ke kepada ketika kita lalu maka "
    "mana mengapa mereka namun oleh pada para pula saat saja sangat saya sebagai sebuah sedang sehingga "
    "serta siapa suatu sudah supaya tapi telah tentang tersebut tetapi untuk yaitu yang",
    "italian": "a ad agli ai al alla alle allo anche avere aveva avevano c che chi ci come con cosa cui d da dagli "
    "dai dal dalla dalle dallo degli dei del dell della delle dello dentro di dove e è ed egli era "
    "erano essere fra fu gli ha hai hanno ho i il in io l la le lei li lo loro lui ma mi mia mie miei "
    "mio ne negli nei nel nell nella nelle nello noi non nostra nostro o per perché più quale quali "
    "quando quella quelle quelli quello questa queste questi questo se sei si sia sono sta su sua sue "
    "sugli sui sul sulla sulle suo suoi tra tu tua tuo un una uno vi voi",
    "norwegian": "alle at av blei ble bli da de deg dei den denne der dere deres det dette din disse du eg ein ei "
    "eit eller en er et ett etter for fordi fra før ha hadde han hans har henne hennes her hun hva hvem "
    "hvilken hvis hvor hvordan hvorfor i ikke ikkje jeg kan kunne man med meg men mi min mot mye må ned "
    "noe noen nå når og også om opp oss på seg selv sin sine skal skulle slik som så til ut var ved vi "
    "vil ville vår være vært",
    "persian": "از است اگر اما این آن ان با باید بر برای به بود بودند بی تا تو جز چه چرا چون چگونه خود در را شد "
    "شده شما شود که کند کنند کرد کرده کجا کی ما من می نه نیز نیست ها های هر هم همه هنوز هیچ و ولی وی یا "
    "یک",
    "polish": "a aby ale albo bez bo by był była było byli być co coś czy dla do go gdy gdzie gdyż i ich im in ja "
    "jak jaka jaki jakie jako je jednak jego jej jest jeszcze jeśli już każdy kiedy kto która które "
    "którego której który których którzy lub ma mają mi między mnie mój może można my na nad nam nas "
    "nasz nie niego niej nich nim o od on ona one oni ono oraz pan po pod ponieważ przed przez przy są "
    "się sobie swoje ta tak także tam te tego tej ten to tu twój ty tych tylko tym u w wasz we więc "
    "wszystko z za ze że",
    "portuguese": "a ao aos à às aquela aquele aqueles aquilo as até com como da das de dela dele deles depois do dos "
    "e é ela elas ele eles em entre era eram essa esse esta está estão este estes eu foi foram há isso "
    "isto já lhe lhes mas me mesmo meu minha muito na nas nem no nos nossa nosso não num numa o onde os "
    "ou para pela pelas pelo pelos por porque qual quais quando que quem se sem ser seu seus são sua "
    "suas também te tem têm tinha tu um uma umas uns você vocês",
    "romanian": "a acea aceasta această aceea acei aceia acel acela acele acest acesta acești ai al ale am ar are "
    "asta au avea ca care că ce cel cea cei cele cine cu cum când dar de deci din după ea ei el ele era "
    "este eu fi fie fost în îi îl iar își între la le li lor lui mai mea mei meu mi ne nici noastră noi "
    "nostru nu o ori pe pentru peste prin sa sale sau se si și sub sunt să său te tu un una unde unei "
    "unor unui va vă voi vom",
    "russian": "а без более бы был была были было быть в вам вас весь во вот все всех всего вы где да для до его "
    "ее её ей ему если есть еще ещё же за здесь и из или им их к как какая какой когда кого кто ли мне "
    "мой моя мы на над нам нас наш не него нее неё нет ни ним них но ну о об он она они оно от по под "
    "при про с сам свою себя со так также там те тем то того тоже той только том тот ты у уже чем что "
    "чтобы чье чья эта эти этих это этого этой этом этот я",
    "spanish": "a al algo ante antes aquel aquella aquellos como con cual cuales cuando cuál cuáles cuándo cómo de "
    "del desde donde dónde durante e el él ella ellas ellos en entre era eran es esa esas ese eso esos "
    "esta está están estas este esto estos fue fueron ha había han hasta hay la las le les lo los más "
    "me mi mis mucho muy nada ni no nos nosotros nuestra nuestro o os otra otro para pero por porque "
    "que qué quien quién quienes se sea ser si sí sido sin sobre son su sus también tanto te tiene "
    "tienen todo todos tu tus tú un una uno unos y ya yo",
    "swedish": "alla att av bara blev bli blir de dem den denna deras dess det detta dig din du då där efter ej "
    "eller en er ett från för ha hade han hans har hennes hon honom hur här i icke in inte jag kan "
    "kunde man med mellan men mig min mitt mot mycket ni nu när någon något några och om oss på samma "
    "sedan sig sin sitt skulle som så till under upp ut vad var varför vara varit vem vi vid vilka "
    "vilken vilket vill vår vårt än är över",
    "turkish": "acaba ama ancak aslında az bana bazı ben beni benim bir biri birkaç biz bize bizi bizim bu buna "
    "bunda bundan bunlar bunu bunun çok çünkü da daha de defa diye en gibi hem hep hepsi her hiç için "
    "ile ise kadar ki kim mı mi mu mü nasıl ne neden nerede niçin niye o olan olarak oldu olduğu olur "
    "on ona ondan onlar onu onun sanki siz sizin şey şu tüm ve veya ya yani",
}
_CODES: Final[dict[str, str]] = {
    "ar": "arabic",
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "hi": "hindi",
    "hu": "hungarian",
    "id": "indonesian",
    "it": "italian",
    "nl": "dutch",
    "no": "norwegian",
    "nb": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "tr": "turkish",
}
# In these an apostrophe ends a short word of its own: l'avion, dell'arte.
_ELIDING: Final = frozenset({"catalan", "french", "italian"})
LANGUAGES: Final = (*sorted(_STOP_WORDS), NONE)


@dataclass(frozen=True, slots=True)
class Language:
    """One language. `stop_words` are as they are written, in lower case; `elides`: its apostrophe parts two words."""

    name: str
    stop_words: frozenset[str]
    elides: bool


@functools.cache
def language_of(name: str) -> Language:
    """The language of that name; raises ConfigurationError for one that is not among `LANGUAGES`."""
    return Language(name, frozenset(_STOP_WORDS.get(name, "").split()), name in _ELIDING)


def parse_language(name: object) -> str:
    """The name in `LANGUAGES` of "english", "English" or "en"; raises ConfigurationError naming them all."""
    wanted = name.strip().lower() if isinstance(name, str) else ""
    wanted = _CODES.get(wanted.split("-")[0].split("_")[0], wanted)
    if wanted in LANGUAGES:
        return wanted
    near = difflib.get_close_matches(wanted, LANGUAGES, n=1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    raise ConfigurationError(
        f"the language of keyword search is one of {', '.join(LANGUAGES)}, or an ISO 639-1 code, not {shown(name)}"
        f"{meant}"
    )
