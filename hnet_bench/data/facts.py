"""What is known beforehand about each data set: its file, its shapes, and the sum that proves its content."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts that a data set is checked against."""

    name: str
    sha256: str  # the `Arrays.fingerprint` of the true content
    train: int  # number of training images
    test: int  # number of test images
    image: tuple[int, ...]  # shape of one image: (height, width) or (height, width, 3)
    classes: int  # labels are 0 ... classes - 1

    @property
    def file(self) -> str:
        """Name of the archive in the data folder."""
        return f"{self.name}.npz"

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each array in the archive, in the order in which the content sum runs over them."""
        return {
            "x_train": (self.train, *self.image),
            "y_train": (self.train,),
            "x_test": (self.test, *self.image),
            "y_test": (self.test,),
        }


DATASETS: dict[str, Facts] = {
    facts.name: facts
    for facts in (
        Facts(
            name="mnist",
            sha256="06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16",
            train=60_000,
            test=10_000,
            image=(28, 28),
            classes=10,
        ),
        Facts(
            name="cifar10",
            sha256="80387ddb9a0edf3fc4a964ee3770296169bb26a651050df20035579673099660",
            train=50_000,
            test=10_000,
            image=(32, 32, 3),
            classes=10,
        ),
        # CIFAR-100 with fine classes 0-49 only: Split CIFAR uses no others.
        Facts(
            name="cifar100-first50",
            sha256="f0f9fa18366b00b4405b9fdce038f28c840f1db2424cdea4d475c9acd3259db1",
            train=25_000,
            test=5_000,
            image=(32, 32, 3),
            classes=50,
        ),
    )
}
