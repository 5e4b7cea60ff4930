from anylead.inference.model import Model as Model
from anylead.inference.model import load as load

__version__: str
