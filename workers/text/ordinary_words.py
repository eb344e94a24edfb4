"""
English words that are also names, or so common that a capital does not show a name.

At the beginning of a sentence every word has a capital, and some recognisers write no capitals. There a single
word of this list counts as the ordinary word, which is the frequent case.
"""

_WORDS = """
a about above access account action active after again ago ahead all allow alone along also always am amber an
and angel another answer any apple april are area art as ask at august aunt autumn away baby back bad bank bar
base basil be bean bear because bed been before began begin behind being bell below benefit best better big bill
billing bird bishop bit black blank blue board body bond book both bow box boy branch bread bridge bring broad
brook brown buddy build bush business but buy by call called calm came can candy care carol case cash chance
change charge charity chase chat check cherry chip chuck church circle city clay clear click close cloud coach
cole come connect cook cool corn could court cover cross crystal cup current customer daisy dale dash date dawn
day dean dear delta destiny did dig dish do dock does dollar don done door down drew drive due duke each early
earth east easy echo edge eight else end english even ever every excel express eye face fair faith fall family
far farmer fast father few field file fill find fine fire first fisher fit five flash flora flow focus fold for
force ford forest form fort forward found four fox frank free french fresh friday friend from front full fuse
gap gates gave gem general get ginger give glory go gold gone good got grace grant graph gray great green grey
ground group grove grow guy had half hall hand happy hard harmony has have hazel he head heart heath heather
heaven help her here hi high hill him his hold holly home honey honor hood hope host house how hub hunter i ice
idea if ill important in instant internet iris is issue it its ivy jack jade jasmine jean jerry jewel job joy
judge july june just justice keep kelly kept key kind king knight know known lake lance land lane large last
late later laurel law lead left less let letter life light like lily line link list little live local long look
lord lost lot love low lower luck made mail main make man many march marina mark market mars mason master match
matter max may maybe mayor me mean melody melt mercy mere merry message meta middle mike mild mile miles mill
mind mine mint minute miss mobile moment monday money month moon more morning most mother move mr mrs much must
my name near need nest never new news next nice nick night nine no north not note notes nothing now number oak
ocean of off offer office oh ok okay old olive on once one only open opera or oracle orange order other our out
outlook over own page paid paige pal palm park part pat patience pay payment peace peak pearl penny people
pepper perhaps phone piece pike pilot place plan plane play please point pool poppy port post pound power press
price prime prince problem prompt pronto pure put queen question quick quite rain ranger rate raven ray reach
read ready real really reason red reed reef reply rest rich ride right ring rise river road rob robin rock roman
room root rose royal ruby run rust rusty safe sage sale same sandy sat saturday save saw say school scout sea
second see self sell send serve service seven she shell shield shop short should show side signal silver simple
since sit six skip sky slack small smart smith snow so sold some son song soon sorry sound south space spark
speak speed spring sprint square stand star start state station stay step sterling still stone stop store storm
story stream street strong success such sue sum summer sun sunday sunny sure surface swift switch system take
tap target taylor team teams tell temple ten test text than thank thanks that the their them then there these
they thing think this those thought three through thursday time to today together told tomorrow too took total
touch tower town track trade train trip troy true trust try tuesday turn two uber uncle under union unity until
up us use very victor victory view violet visa vision wade walk walker wall want ward was watch water wave way
we weaver web wednesday week well wells went were west what when where which while white who whole why wild will
willow win wind window windows winter wise wish with wolf wood woods word words work world would wow write year
yellow yes yesterday yet you young your zoom
"""

ORDINARY = frozenset(_WORDS.split())
