"""One file for each result of a paper; ``STUDIES`` is the table of them all."""

from bioprop.choose import choose
from bioprop.studies.bartunov2018.activations import STUDY as _activations
from bioprop.studies.bartunov2018.activations_longer_rates import STUDY as _activations_longer
from bioprop.studies.bartunov2018.activations_rates import STUDY as _activations_rates
from bioprop.studies.bartunov2018.autoencoder import STUDY as _autoencoder
from bioprop.studies.bartunov2018.autoencoder_longer_rates import STUDY as _autoencoder_longer
from bioprop.studies.bartunov2018.autoencoder_pictures import STUDY as _autoencoder_pictures
from bioprop.studies.bartunov2018.autoencoder_rates import STUDY as _autoencoder_rates
from bioprop.studies.bartunov2018.imagenet_local import STUDY as _imagenet_local
from bioprop.studies.bartunov2018.sharing import STUDY as _sharing
from bioprop.studies.bartunov2018.sharing_cifar import STUDY as _sharing_cifar
from bioprop.studies.bartunov2018.sharing_cifar_grid import STUDY as _sharing_cifar_grid
from bioprop.studies.bartunov2018.sharing_cifar_rates import STUDY as _sharing_cifar_rates
from bioprop.studies.bartunov2018.sharing_rates import STUDY as _sharing_rates
from bioprop.studies.bartunov2018.targets_auxiliary import STUDY as _targets_auxiliary
from bioprop.studies.bartunov2018.targets_auxiliary_cifar import STUDY as _auxiliary_cifar
from bioprop.studies.bartunov2018.targets_auxiliary_cifar_local import STUDY as _auxiliary_local
from bioprop.studies.bartunov2018.targets_cifar import STUDY as _targets_cifar
from bioprop.studies.bartunov2018.targets_cifar_grid import STUDY as _targets_cifar_grid
from bioprop.studies.bartunov2018.targets_cifar_letter import STUDY as _cifar_letter
from bioprop.studies.bartunov2018.targets_cifar_letter_grid import STUDY as _cifar_letter_grid
from bioprop.studies.bartunov2018.targets_cifar_letter_rates import STUDY as _cifar_letter_rates
from bioprop.studies.bartunov2018.targets_cifar_local import STUDY as _targets_cifar_local
from bioprop.studies.bartunov2018.targets_cifar_local_grid import STUDY as _cifar_local_grid
from bioprop.studies.bartunov2018.targets_cifar_local_rates import STUDY as _cifar_local_rates
from bioprop.studies.bartunov2018.targets_cifar_precision import STUDY as _cifar_precision
from bioprop.studies.bartunov2018.targets_cifar_rates import STUDY as _targets_cifar_rates
from bioprop.studies.bartunov2018.targets_cifar_readings import STUDY as _cifar_readings
from bioprop.studies.bartunov2018.targets_cifar_untaught import STUDY as _cifar_untaught
from bioprop.studies.bartunov2018.targets_cifar_untaught_grid import STUDY as _cifar_untaught_grid
from bioprop.studies.bartunov2018.targets_cifar_untaught_rates import STUDY as _cifar_untaught_rates
from bioprop.studies.bartunov2018.targets_defect import STUDY as _targets_defect
from bioprop.studies.bartunov2018.targets_explained import STUDY as _targets_explained
from bioprop.studies.bartunov2018.targets_mnist import STUDY as _targets_mnist
from bioprop.studies.bartunov2018.targets_mnist_local import STUDY as _targets_mnist_local
from bioprop.studies.bartunov2018.targets_mnist_local_longer_rates import STUDY as _local_longer
from bioprop.studies.bartunov2018.targets_mnist_local_rates import STUDY as _targets_local_rates
from bioprop.studies.bartunov2018.targets_mnist_local_untaught import STUDY as _local_untaught
from bioprop.studies.bartunov2018.targets_mnist_local_untaught_rates import (
    STUDY as _local_untaught_rates,
)
from bioprop.studies.bartunov2018.targets_mnist_rates import STUDY as _targets_mnist_rates
from bioprop.studies.bartunov2018.targets_mnist_table5 import STUDY as _targets_mnist_table5
from bioprop.studies.bartunov2018.targets_sdtp import STUDY as _targets_sdtp
from bioprop.studies.bartunov2018.targets_sdtp_full import STUDY as _targets_sdtp_full
from bioprop.studies.bartunov2018.targets_sensitivity import STUDY as _targets_sensitivity
from bioprop.studies.bartunov2018.targets_sensitivity_cifar import STUDY as _sensitivity_cifar
from bioprop.studies.bartunov2018.towards_imagenet import STUDY as _towards_imagenet
from bioprop.studies.bartunov2018.towards_imagenet_classes import STUDY as _imagenet_classes
from bioprop.studies.bartunov2018.towards_imagenet_others import STUDY as _imagenet_others
from bioprop.studies.bartunov2018.towards_imagenet_rates import STUDY as _imagenet_rates
from bioprop.studies.lillicrap2014.depth import STUDY as _depth
from bioprop.studies.lillicrap2014.depth_rates import STUDY as _depth_rates
from bioprop.studies.lillicrap2014.feedback_redrawn import STUDY as _feedback_redrawn
from bioprop.studies.lillicrap2014.freezing import STUDY as _freezing
from bioprop.studies.lillicrap2014.freezing_rates import STUDY as _freezing_rates
from bioprop.studies.lillicrap2014.initial_weights import STUDY as _initial_weights
from bioprop.studies.lillicrap2014.linear_rates import STUDY as _linear_rates
from bioprop.studies.lillicrap2014.linear_scales import STUDY as _linear_scales
from bioprop.studies.lillicrap2014.linear_task import STUDY as _linear_task
from bioprop.studies.lillicrap2014.mnist import STUDY as _mnist
from bioprop.studies.lillicrap2014.mnist_ablation import STUDY as _mnist_ablation
from bioprop.studies.lillicrap2014.mnist_decayed import STUDY as _mnist_decayed
from bioprop.studies.lillicrap2014.mnist_depth import STUDY as _mnist_depth
from bioprop.studies.lillicrap2014.mnist_depth_rates import STUDY as _mnist_depth_rates
from bioprop.studies.lillicrap2014.mnist_matched import STUDY as _mnist_matched
from bioprop.studies.lillicrap2014.mnist_own_rates import STUDY as _mnist_own_rates
from bioprop.studies.lillicrap2014.mnist_rates import STUDY as _mnist_rates
from bioprop.studies.lillicrap2014.mnist_readings import STUDY as _mnist_readings
from bioprop.studies.lillicrap2014.output_frozen import STUDY as _output_frozen
from bioprop.studies.lillicrap2014.receptive_fields import STUDY as _receptive_fields
from bioprop.studies.lillicrap2014.replication_fast import STUDY as _replication_fast
from bioprop.studies.lillicrap2014.spiking import STUDY as _spiking
from bioprop.studies.lillicrap2014.theorems import STUDY as _theorems
from bioprop.studies.lillicrap2014.toy_network import STUDY as _toy_network
from bioprop.studies.lillicrap2014.two_thirds import STUDY as _two_thirds
from bioprop.studies.questions.alignment_needed import STUDY as _alignment_needed
from bioprop.studies.questions.best_feedback import STUDY as _best_feedback
from bioprop.studies.questions.deep_gain import STUDY as _deep_gain
from bioprop.studies.questions.deep_gain_rates import STUDY as _deep_gain_rates
from bioprop.studies.questions.deep_linear import STUDY as _deep_linear
from bioprop.studies.questions.found_feedback import STUDY as _found_feedback
from bioprop.studies.questions.johnson_lindenstrauss import STUDY as _johnson_lindenstrauss
from bioprop.studies.questions.no_phases import STUDY as _no_phases
from bioprop.studies.questions.nonlinear_feedback import STUDY as _nonlinear_feedback
from bioprop.studies.questions.plastic_deep import STUDY as _plastic_deep
from bioprop.studies.questions.plastic_feedback import STUDY as _plastic_feedback
from bioprop.studies.questions.predictive import STUDY as _predictive
from bioprop.studies.questions.said import STUDY as _said
from bioprop.studies.study import TIERS, Claim, Figure, Region, Settings, Study, within
from bioprop.studies.xiao2018.alexnet_tiny import STUDY as _alexnet_tiny
from bioprop.studies.xiao2018.imagenet import STUDY as _imagenet
from bioprop.studies.xiao2018.last_layer import STUDY as _last_layer
from bioprop.studies.xiao2018.rules_rates import STUDY as _rules_rates
from bioprop.studies.xiao2018.signs_angles import STUDY as _signs_angles
from bioprop.studies.xiao2018.signs_cifar import STUDY as _signs_cifar
from bioprop.studies.xiao2018.signs_dale import STUDY as _signs_dale
from bioprop.studies.xiao2018.signs_digits import STUDY as _signs_digits
from bioprop.studies.xiao2018.signs_magnitudes import STUDY as _signs_magnitudes
from bioprop.studies.xiao2018.signs_precision import STUDY as _signs_precision
from bioprop.studies.xiao2018.signs_rates import STUDY as _signs_rates
from bioprop.studies.xiao2018.signs_supports import STUDY as _signs_supports
from bioprop.studies.xiao2018.signs_tiny import STUDY as _signs_tiny
from bioprop.studies.xiao2018.signs_tiny_rates import STUDY as _signs_tiny_rates
from bioprop.studies.xiao2018.signs_worth import STUDY as _signs_worth

STUDIES = {
    study.name: study
    for study in (
        _toy_network,
        _linear_rates,
        _linear_task,
        _linear_scales,
        _alignment_needed,
        _mnist_readings,
        _replication_fast,
        _mnist,
        _mnist_decayed,
        _mnist_matched,
        _mnist_rates,
        _mnist_own_rates,
        _receptive_fields,
        _feedback_redrawn,
        _mnist_ablation,
        _depth_rates,
        _depth,
        _mnist_depth_rates,
        _mnist_depth,
        _freezing,
        _output_frozen,
        _freezing_rates,
        _theorems,
        _initial_weights,
        _two_thirds,
        _deep_linear,
        _deep_gain_rates,
        _deep_gain,
        _johnson_lindenstrauss,
        _best_feedback,
        _found_feedback,
        _said,
        _nonlinear_feedback,
        _plastic_feedback,
        _plastic_deep,
        _predictive,
        _no_phases,
        _spiking,
        _targets_explained,
        _targets_defect,
        _targets_sdtp,
        _targets_sdtp_full,
        _targets_mnist_rates,
        _targets_mnist,
        _targets_mnist_table5,
        _targets_local_rates,
        _local_longer,
        _targets_mnist_local,
        _local_untaught_rates,
        _local_untaught,
        _cifar_readings,
        _cifar_precision,
        _targets_cifar_grid,
        _targets_cifar_rates,
        _targets_cifar,
        _cifar_untaught_grid,
        _cifar_untaught_rates,
        _cifar_untaught,
        _cifar_letter_grid,
        _cifar_letter_rates,
        _cifar_letter,
        _cifar_local_grid,
        _cifar_local_rates,
        _targets_cifar_local,
        _autoencoder_rates,
        _autoencoder_longer,
        _autoencoder,
        _autoencoder_pictures,
        _activations_rates,
        _activations_longer,
        _activations,
        _targets_auxiliary,
        _auxiliary_cifar,
        _auxiliary_local,
        _targets_sensitivity,
        _sensitivity_cifar,
        _sharing_rates,
        _sharing,
        _sharing_cifar_grid,
        _sharing_cifar_rates,
        _sharing_cifar,
        _imagenet_rates,
        _towards_imagenet,
        _imagenet_others,
        _imagenet_local,
        _imagenet_classes,
        _signs_digits,
        _signs_rates,
        _signs_tiny_rates,
        _signs_tiny,
        _signs_precision,
        _rules_rates,
        _alexnet_tiny,
        _last_layer,
        _signs_angles,
        _signs_worth,
        _signs_magnitudes,
        _signs_supports,
        _signs_dale,
        _signs_cifar,
        _imagenet,
    )
}

__all__ = ["STUDIES", "TIERS", "Claim", "Figure", "Region", "Settings", "Study", "get", "within"]


def get(name: str) -> Study:
    """Return the study called ``name``; an unknown name raises ``ValueError``."""
    return STUDIES[choose("study", name, STUDIES)]
