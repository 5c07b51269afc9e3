"""What the demo corpus says in each language: ten words to tell apart, and ten others."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Language:
  """Words and accents of a language.

  Attributes:
    words: Default words, joined by `+`.
    others: Default further words, which become `unknown`.
    accents: eSpeak's names of its dialects; empty for the language's own name.
  """

  words: str = ''
  others: str = ''
  accents: tuple[str, ...] = ()


# Those of English are the commands of Speech Commands and ten of its other words. A language of
# eSpeak that is not here can be spoken too, with words of the user's.
LANGUAGES: Mapping[str, Language] = {
  'cmn': Language('一+二+三+四+五+六+七+八+九+十', '零+百+千+上+下+左+右+前+后+停'),
  'de': Language(
    'ja+nein+hoch+runter+links+rechts+an+aus+halt+los',
    'baum+bett+haus+hund+katze+vogel+eins+zwei+drei+vier',
  ),
  'en': Language(
    'yes+no+up+down+left+right+on+off+stop+go',
    'bed+bird+cat+dog+happy+house+marvin+sheila+tree+wow',
  ),
  'es': Language(
    'sí+no+arriba+abajo+izquierda+derecha+dentro+fuera+alto+sigue',
    'árbol+cama+casa+perro+gato+pájaro+uno+dos+tres+cuatro',
    accents=('es', 'es-419'),
  ),
  'fr': Language(
    'oui+non+haut+bas+gauche+droite+marche+arrêt+stop+avance',
    'arbre+lit+maison+chien+chat+oiseau+un+deux+trois+quatre',
    accents=('fr', 'fr-be', 'fr-ch'),
  ),
  'it': Language(
    'sì+no+su+giù+sinistra+destra+dentro+fuori+ferma+avanti',
    'albero+letto+casa+cane+gatto+uccello+uno+due+tre+quattro',
  ),
  'pt': Language(
    'sim+não+cima+baixo+esquerda+direita+dentro+fora+pare+siga',
    'árvore+cama+casa+cão+gato+pássaro+um+dois+três+quatro',
    accents=('pt', 'pt-br'),
  ),
  'ru': Language(
    'да+нет+вверх+вниз+влево+вправо+внутрь+наружу+стоп+вперёд',
    'дерево+кровать+дом+собака+кошка+птица+один+два+три+четыре',
  ),
  'yue': Language('一+二+三+四+五+六+七+八+九+十', '零+百+千+上+下+左+右+前+後+停'),
}


def of(name: str) -> Language:
  """Returns a language; one that is not in the table has no words of its own."""
  return LANGUAGES.get(name, Language())
